import Checkpoints
import Foundation
import GoldenData
import Networks
import Tensors
import Testing

/// Its outputs are held against the reference as picture features of LLaVA-NeXT.
@Suite struct CLIPVisionTests {
    private func decode(_ json: String) throws -> CLIPVisionConfig {
        try ConfigurationFile.decode(CLIPVisionConfig.self, from: Data(json.utf8), file: "config.json")
    }

    private let small = """
        {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 19,
         "patch_size": 4}
        """

    @Test func pictures_doNotDependOnTheirNeighbours() throws {
        let config = try decode(small)
        let network = CLIPVision(config, RandomParameters(dtype: .bfloat16).reader, layers: 2)
        let pictures = noise([3, 19, 19, 3], seed: 8)
        let together = network(pictures)
        #expect(together.shape == [3, 16, 24])
        #expect(together.array.allSatisfy { $0.isFinite })
        for item in 0..<3 { #expect(together[item: item] == network(pictures[item..<(item + 1)]).array) }
    }

    @Test func activations_differ() throws {
        let pictures = noise([1, 19, 19, 3], seed: 9)
        func output(_ activation: String) throws -> Tensor {
            let config = try decode(small.replacing("{", with: #"{"hidden_act": "\#(activation)", "#))
            return CLIPVision(config, RandomParameters(dtype: .float32).reader, layers: 3)(pictures)
        }
        let (quick, exact, tanh) = (try output("quick_gelu"), try output("gelu"), try output("gelu_pytorch_tanh"))
        // x σ(1.702 x) is within 0.02 of x Φ(x), the approximation by tanh within 0.0005.
        #expect((1e-4..<0.05).contains(deviation(quick, from: exact)))
        #expect((1e-7..<1e-3).contains(deviation(tanh, from: exact)))
    }

    @Test func states_areCountedAsInTransformers() throws {
        let config = try decode(small)
        #expect([0, 3, -1, -4].map(config.encoder.layers(behindState:)) == [0, 3, 3, 0])
        #expect([4, -5, Int.max, Int.min].allSatisfy { config.encoder.layers(behindState: $0) == nil })
    }

    @Test func config_hasTransformersDefaults() throws {
        let config = try decode("{}")
        #expect((config.width, config.feedForwardWidth, config.layers, config.heads) == (768, 3072, 12, 12))
        #expect((config.pictureSize, config.patchSize, config.patches) == (224, 32, 49))
        #expect(config.activation == .quickGELU && config.normEpsilon == 1e-5)
    }

    @Test(arguments: [
        (#"{"hidden_size": 100}"#, "num_attention_heads"), (#"{"num_channels": 1}"#, "num_channels"),
        (#"{"image_size": 8}"#, "patch_size"), (#"{"hidden_act": "relu"}"#, "hidden_act"),
        (#"{"model_type": "siglip_vision_model"}"#, "model_type"), (#"{"layer_norm_eps": -1}"#, "layer_norm_eps"),
    ])
    func config_errorsNameTheJSONPath(json: String, path: String) throws {
        let error = #expect(throws: CheckpointError.self) { try decode(json) }
        #expect(error?.description.hasPrefix("config.json: \(path):") == true, "\(String(describing: error))")
    }
}
