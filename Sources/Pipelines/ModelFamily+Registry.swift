import Checkpoints
package import Foundation

extension ModelFamily {
    /// Every family that a configuration may name.
    package static let all: [ModelFamily] = [
        .llamaFusion, .llavaFusion, .metaMorph, .metaQuery, .multimodalLLM,
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
        return try family(named: names[config.modelType] ?? config.modelType)
    }

    /// Of checkpoints whose `model_type` is not the family's name.
    private static let names = [
        "metamorph_llama": "metamorph", "llava_onevision": "mllm", "llava_next": "mllm", "qwen2_5_vl": "mllm",
        "llama": "mllm", "qwen2": "mllm",
    ]
}
