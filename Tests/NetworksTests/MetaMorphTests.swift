import Checkpoints
import Foundation
import GoldenData
import Tensors
import Testing

@testable import Networks

@Suite struct MetaMorphTests {
    private static let models = ["checkpoint_metamorph", "checkpoint_metamorph_b"]
    private static let reading = ["understand", "understand_b", "two_frames", "placeholder", "transform"]
    private static let drawing = ["text_to_image", "text_to_image_b", "transform"]

    private static func folder(_ name: String) -> URL {
        GoldenData.folder.appending(path: "metamorph").appending(path: name)
    }

    private func tower() throws -> SigLIPConfig {
        let file = Self.folder("components/google/siglip-so400m-patch14-384/config.json")
        return try ConfigurationFile.decode(SigLIPConfig.self, at: file)
    }

    private func config(_ model: String = models[0]) throws -> MetaMorphConfig {
        try ConfigurationFile.decode(MetaMorphConfig.self, at: Self.folder(model).appending(path: "config.json"))
    }

    private func network(_ model: String) throws -> MetaMorph {
        let (config, tower) = (try config(model), try tower())
        return try Checkpoint(Self.folder(model)).load(keys: MetaMorph.keys) { MetaMorph(config, $0, tower: tower) }
    }

    private func network(of golden: GoldenCase) throws -> MetaMorph {
        try network(try golden.string("checkpoint").replacing("../", with: ""))
    }

    /// The rows of a case's prompt, with the reference's visual tokens where its ids have −200.
    private func prompt(of golden: GoldenCase, _ network: MetaMorph) throws -> Tensor {
        var picture = 0
        let pieces = try golden.integers("input_ids").map { id in
            guard id == -200 else { return network.text.embedded([[id]]) }
            defer { picture += 1 }
            return network.project(try golden.tensor("vision_features")[picture..<(picture + 1)])
        }
        return .concatenated(pieces, axis: 1)
    }

    @Test(arguments: reading + ["text_to_image", "text_to_image_b"])
    func prompt_isReadAsTheReferenceReadsIt(name: String) throws {
        let golden = try GoldenCase("metamorph/cases/\(name)")
        let network = try network(of: golden)
        if golden.contains("projected_features") {
            let projected = network.project(try golden.tensor("vision_features"))
            #expect(deviation(projected, from: try golden.tensor("projected_features")) < 2e-5)
        }
        let rows = try prompt(of: golden, network)
        #expect(deviation(rows, from: try golden.tensor("inputs_embeds")) < 2e-5)
        var caches = [network.config.text.cache()]
        let hidden = network.text.normalized(network.text(rows, caches: &caches))
        #expect(deviation(hidden, from: try golden.tensor("hidden_states_prompt")) < 5e-5)
        let count = hidden.shape[1]
        let last = hidden.reshaped(Array(hidden.shape.dropFirst()))[(count - 1)..<count]
        let logits = network.text.logits(normalized: last.reshaped([1, 1, hidden.shape[2]]))
        #expect(deviation(logits, from: try golden.tensor("logits_per_step")[0..<1]) < 5e-5)
    }

    @Test(arguments: drawing)
    func visualTokens_areWrittenAndReadAsInTheReference(name: String) throws {
        let golden = try GoldenCase("metamorph/cases/\(name)")
        let network = try network(of: golden)
        let hidden = try golden.tensor("last_hidden_per_step")
        let inputs = try golden.tensor("head_input_per_step")
        let steps = (0..<hidden.shape[0]).filter { hidden[$0..<($0 + 1)].array != inputs[$0..<($0 + 1)].array }
        let expected = try golden.tensor("visual_embeds")
        #expect(steps.count == expected.shape[0] && !steps.isEmpty)
        for (index, step) in steps.enumerated() {
            let row = hidden[step..<(step + 1)].reshaped([1, 1, hidden.shape[1]])
            let token = network.drawVisualTokens(after: row)
            #expect(deviation(token, from: expected[index..<(index + 1)]) < 5e-5)
            #expect(deviation(network.project(token), from: inputs[step..<(step + 1)]) < 5e-5)
        }
    }

    // MARK: Variants

    /// A network of width 2 with visual tokens of width 2 whose parameters are zeros but for those given.
    private func small(_ values: [String: Any], _ parameters: [String: [Float]]) throws -> MetaMorph {
        var json: [String: Any] = [
            "model_type": "metamorph_llama", "vocab_size": 3, "hidden_size": 2, "num_hidden_layers": 1,
            "num_attention_heads": 1, "intermediate_size": 1, "mm_hidden_size": 2, "mm_use_im_start_end": true,
        ]
        json.merge(values) { $1 }
        let data = try JSONSerialization.data(withJSONObject: json)
        let config = try ConfigurationFile.decode(MetaMorphConfig.self, from: data, file: "config.json")
        return try withTemporaryFolder { folder in
            let file = folder.appending(path: "model.safetensors")
            try SafetensorsWriter.file([]).write(to: file)
            let missing = try Checkpoint(folder).problems(keys: MetaMorph.keys) { MetaMorph(config, $0, tower: nil) }
            let tensors = missing.compactMap { problem -> (String, [Int], [Float])? in
                guard case .missing(let key, let shape) = problem else { return nil }
                return (key, shape, parameters[key] ?? Array(repeating: 0, count: shape.reduce(1, *)))
            }
            #expect(tensors.count == missing.count)
            #expect(Set(parameters.keys).isSubset(of: tensors.map(\.0)))
            try SafetensorsWriter.file(tensors).write(to: file)
            return try Checkpoint(folder).load(keys: MetaMorph.keys) { MetaMorph(config, $0, tower: nil) }
        }
    }

    @Test func projectors_haveTheirOwnKeysAndArithmetic() throws {
        let token = Tensor([1, 2], shape: [1, 1, 2])
        let swap: [Float] = [0, 1, 1, 0]
        let (weight, bias) = ("model.mm_projector.weight", "model.mm_projector.bias")
        let linear = try small(["mm_projector_type": "linear"], [weight: swap, bias: [10, 20]])
        #expect(linear.project(token).array == [12, 21])
        #expect(try small([:], [weight: swap]).project(token).array == [2, 1])
        #expect(try small(["mm_projector_type": "identity"], [:]).project(token).array == [1, 2])
        let one = try small(["mm_projector_type": "mlp1x_gelu"], ["model.mm_projector.0.weight": swap])
        #expect(one.project(token).array == [2, 1])
        let keys = [0, 2, 4].map { "model.mm_projector.\($0).weight" }
        let three = try small(["mm_projector_type": "mlp3x_gelu"], [keys[0]: swap, keys[1]: swap, keys[2]: swap])
        // GELU twice: of 2 and 1, then of 1.9545 and 0.8413.
        #expect(zip(three.project(token).array, [1.905_1, 0.672_9]).allSatisfy { abs($0 - $1) < 1e-3 })
        let softmax = try small(
            ["mm_projector_type": "mlpsoftmax"],
            ["model.mm_projector.0.weight": [1, 0, 0, 1], "model.mm_projector.2.weight": swap]
        )
        let odds = exp(Float(1))
        let expected = [odds / (1 + odds), 1 / (1 + odds)]
        #expect(zip(softmax.project(token).array, expected).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    @Test func visionHeads_haveTheirOwnKeys() throws {
        let row = Tensor([3, 4], shape: [1, 1, 2])
        let swap: [Float] = [0, 1, 1, 0]
        for name in ["linear", "none of these"] {
            let plain = try small(["vision_head_type": name], ["vision_head.weight": swap])
            #expect(plain.drawVisualTokens(after: row).array == [4, 3])
        }
        #expect(try small([:], ["vision_head.bias": [1, 2]]).drawVisualTokens(after: row).array == [1, 2])
        let unit = try small(["normalize_vision": true], ["vision_head.weight": swap])
        #expect(zip(unit.drawVisualTokens(after: row).array, [0.8, 0.6]).allSatisfy { abs($0 - $1) < 1e-6 })
        let mlp = try small(
            ["vision_head_type": "mlp"],
            ["vision_head.0.weight": swap, "vision_head.2.bias": [5, 6]]
        )
        #expect(mlp.drawVisualTokens(after: row).array == [5, 6])
        _ = try small(["vision_head_type": "mlp2x_gelu"], ["vision_head.4.weight": swap])
    }

    // MARK: Files

    @Test func unusedTensors_areKnownByName() throws {
        let (config, tower) = (try config(), try tower())
        let checkpoint = try Checkpoint(Self.folder(Self.models[0]))
        #expect(checkpoint.problems(keys: MetaMorph.keys) { MetaMorph(config, $0, tower: tower) }.isEmpty)
        var other = tower
        other.encoder.layers = 2
        let problems = checkpoint.problems(keys: MetaMorph.keys) { MetaMorph(config, $0, tower: other) }
        #expect(problems.count == 16)
        #expect(problems.allSatisfy { $0.key.hasPrefix("model.vision_tower.vision_tower.encoder.layers.2.") })
    }

    @Test(arguments: [
        ("model_type", #""llama""#), ("mm_hidden_size", "null"), ("mm_projector_type", #""mlpx_gelu""#),
        ("mm_projector_type", #""mlp99x_gelu""#), ("mm_projector_type", #""identity""#),
        ("vision_head_type", #""linear""#), ("num_image_tokens", "0"), ("image_token_reduction", #""mlpmixer""#),
        ("mm_vision_select_layer", "99999"), ("mm_vision_select_feature", #""cls""#), ("apply_softmax", "true"),
        ("image_aspect_ratio", #""anyres""#), ("mm_patch_merge_type", #""spatial_unpad""#),
        ("mm_use_im_start_end", "false"), ("tokenizer_model_max_length", "0"), ("normalize_vision", "1"),
        ("hidden_size", "-1"),
    ])
    func config_errorsNameTheKey(key: String, value: String) throws {
        let data = try Data(contentsOf: Self.folder(Self.models[0]).appending(path: "config.json"))
        var json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        json[key] = try JSONSerialization.jsonObject(with: Data(value.utf8), options: .fragmentsAllowed)
        let changed = try JSONSerialization.data(withJSONObject: json)
        let error = #expect(throws: CheckpointError.self) {
            try ConfigurationFile.decode(MetaMorphConfig.self, from: changed, file: "config.json")
        }
        #expect(error?.description.hasPrefix("config.json: \(key)") == true, "\(String(describing: error))")
    }
}
