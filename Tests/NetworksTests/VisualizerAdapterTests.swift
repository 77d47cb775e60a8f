import Checkpoints
import Foundation
import GoldenData
import Networks
import Tensors
import Testing

@Suite struct VisualizerAdapterTests {
    private func config(_ json: any Sendable) throws -> VisualizerAdapterConfig {
        let data = try JSONSerialization.data(withJSONObject: json)
        return try ConfigurationFile.decode(VisualizerAdapterConfig.self, from: data, file: "model_config.json")
    }

    private func adapter(_ golden: GoldenCase) throws -> VisualizerAdapter {
        let config = try config(#require(golden.json["model_config"]))
        return try withTemporaryFolder { folder in
            try FileManager.default.createSymbolicLink(
                at: folder.appending(path: "model.safetensors"),
                withDestinationURL: golden.folder.appending(path: try golden.string("weights"))
            )
            return try Checkpoint(folder).load { VisualizerAdapter(config, $0) }
        }
    }

    @Test(arguments: ["adapter_mlp", "adapter_xattn", "adapter_xattnffn"])
    func output_equalsTheReference(name: String) throws {
        let golden = try GoldenCase("metamorph/cases/\(name)")
        let adapter = try adapter(golden)
        let expected = try golden.tensor("output")
        let output = adapter(try golden.tensor("input"))
        #expect(output.shape == expected.shape)
        let deviation = deviation(output, from: expected)
        #expect(deviation < 2e-5, "off by \(deviation) × scale")
    }

    @Test(arguments: ["adapter_mlp", "adapter_xattn", "adapter_xattnffn"])
    func condition_has77Tokens(name: String) throws {
        let golden = try GoldenCase("metamorph/cases/\(name)")
        let condition = try adapter(golden).condition(of: try golden.tensor("input"))
        let expected = try golden.tensor("output")
        #expect(condition.shape == [1, 77, 48])
        #expect(deviation(Array(condition.array.prefix(expected.count)), from: expected.array) < 2e-5)
        #expect(condition.array.dropFirst(expected.count).allSatisfy { $0 == 0 })
    }

    @Test func rows_doNotDependOnTheirNeighbours() throws {
        for name in ["adapter_mlp", "adapter_xattn", "adapter_xattnffn"] {
            let adapter = try adapter(GoldenCase("metamorph/cases/\(name)"))
            let tokens = noise([8, 64, 72], seed: 5)
            let alone = (0..<8).map { adapter(tokens[$0..<($0 + 1)]).array }
            for batch in 2...8 {
                let output = adapter(tokens[0..<batch])
                for item in 0..<batch { #expect(output[item: item] == alone[item], "\(name): \(item) of \(batch)") }
            }
        }
    }

    @Test func config_hasTheOfficialDefaults() throws {
        let config = try config([String: Int]())
        #expect(config.mode == .mlp && config.inputWidth == 1152 && config.hiddenWidth == 4096)
        #expect(config.outputWidth == 768 && config.tokens == 77 && config.layers == 6 && config.heads == 8)
    }

    @Test(arguments: [
        ("mode", #"{"mode": "linear"}"#), ("num_heads", #"{"mode": "xattn", "output_dim": 48, "num_heads": 7}"#),
        ("num_layers", #"{"num_layers": 0}"#), ("input_dim", #"{"input_dim": "wide"}"#),
        ("num_tokens", #"{"num_tokens": -1}"#),
    ])
    func config_refusesBadValuesByName(key: String, json: String) {
        #expect {
            _ = try ConfigurationFile.decode(VisualizerAdapterConfig.self, from: Data(json.utf8), file: "f")
        } throws: { error in
            guard case .configuration("f", let path, _) = error as? CheckpointError else { return false }
            return path == key
        }
    }
}
