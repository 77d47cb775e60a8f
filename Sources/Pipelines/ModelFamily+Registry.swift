import Checkpoints
package import Foundation

extension ModelFamily {
    /// Every family that a configuration may name.
    package static let all: [ModelFamily] = [
        .llamaFusion, .metaMorph, .unsupported("llavafusion"), .unsupported("metaquery"), .unsupported("mllm"),
    ]

    /// - Throws: `PipelineError.unsupported` naming the families there are.
    package static func family(named name: String) throws -> ModelFamily {
        guard let family = all.first(where: { $0.name == name }) else {
            let known = all.map(\.name).joined(separator: ", ")
            throw PipelineError.unsupported(reason: "unknown family \"\(name)\" (known: \(known))")
        }
        return family
    }

    /// The family of a checkpoint, by the `model_type` of its config.json.
    /// - Throws: `CheckpointError` where there is no such file or key, or `PipelineError.unsupported`.
    package static func family(ofCheckpointAt folder: URL) throws -> ModelFamily {
        struct Config: Decodable {
            var modelType: String
            enum CodingKeys: String, CodingKey { case modelType = "model_type" }
        }
        let config = try ConfigurationFile.decode(Config.self, at: folder.appending(path: "config.json"))
        return try family(named: config.modelType == "metamorph_llama" ? "metamorph" : config.modelType)
    }

    /// A family whose networks are not there yet.
    private static func unsupported(_ name: String) -> ModelFamily {
        let error = PipelineError.unsupported(reason: "family \(name) is not supported yet")
        return ModelFamily(
            name: name,
            load: { _ in throw error },
            check: { _ in
                CheckReport(problems: [error.description])
            }
        )
    }
}
