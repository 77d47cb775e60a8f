import Checkpoints
import Foundation
import GoldenData
import Networks
import Tensors
import Testing

@Suite struct SigLIPTests {
    private let folder = GoldenData.folder.appending(path: "metamorph/components/google/siglip-so400m-patch14-384")

    private func config() throws -> SigLIPConfig {
        try ConfigurationFile.decode(SigLIPConfig.self, at: folder.appending(path: "config.json"))
    }

    private func network(_ output: SigLIP.Output) throws -> SigLIP {
        let config = try config()
        return try Checkpoint(folder).load { SigLIP(config, checkpoint: $0, output: output) }
    }

    // MARK: Against the reference

    @Test(arguments: 0...3) func hiddenState_equalsTheReference(layers: Int) throws {
        let golden = try GoldenCase("units/modules", tensors: "siglip.safetensors")
        let pictures = try golden.tensor("pixel_values").permuted([0, 2, 3, 1])
        let expected = try golden.tensor("hidden_states")[layers..<(layers + 1)]
        let config = try config()
        for index in [layers, layers - 4] {
            let output = try #require(config.hiddenState(index))
            #expect(deviation(try network(output)(pictures), from: expected) < 2e-5, "hidden_states[\(index)]")
        }
    }

    @Test func normalizedOutput_equalsTheReference() throws {
        let golden = try GoldenCase("units/modules", tensors: "siglip.safetensors")
        let pictures = try golden.tensor("pixel_values").permuted([0, 2, 3, 1])
        let expected = try golden.tensor("post_layernorm_output")
        #expect(deviation(try network(.normalized)(pictures), from: expected) < 2e-5)
    }

    @Test func hiddenState_isNilBeyondTheLayers() throws {
        let config = try config()
        #expect(config.hiddenState(-1) == .hiddenState(layers: 3))
        #expect(config.hiddenState(0) == config.hiddenState(-4))
        for index in [4, -5, Int.max, Int.min] { #expect(config.hiddenState(index) == nil) }
    }

    @Test func pictures_doNotDependOnTheirNeighbours() throws {
        let network = try network(.hiddenState(layers: 3))
        let pictures = noise([4, 66, 66, 3], seed: 7)
        let alone = (0..<4).map { network(pictures[$0..<($0 + 1)]).array }
        for batch in 2...4 {
            let together = network(pictures[0..<batch])
            for item in 0..<batch { #expect(together[item: item] == alone[item], "picture \(item) of \(batch)") }
        }
    }

    // MARK: At other sizes

    /// Three heads of 72, as the real network has sixteen, on a grid of 9 × 9 patches of 4 with 3 pixels left over.
    private let wide = """
        {"hidden_size": 216, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 39,
         "patch_size": 4}
        """

    private func decode(_ json: String) throws -> SigLIPConfig {
        try ConfigurationFile.decode(SigLIPConfig.self, from: Data(json.utf8), file: "config.json")
    }

    @Test func wideHeads_doNotDependOnTheirNeighbours() throws {
        let config = try decode(wide)
        let network = SigLIP(config, RandomParameters(dtype: .bfloat16).reader, output: .normalized)
        let pictures = noise([3, 39, 39, 3], seed: 8)
        let together = network(pictures)
        #expect(together.shape == [3, 81, 216])
        #expect(together.array.allSatisfy { $0.isFinite })
        for item in 0..<3 { #expect(together[item: item] == network(pictures[item..<(item + 1)]).array) }
    }

    /// Few rows are attended by dot products, many by tiles: each checks the other.
    @Test func wideHeads_areAttendedAlikeByBothKernels() {
        let (rows, width) = (729, 3 * 72)
        let queries = noise([1, rows, width], seed: 1)
        let keys = noise([rows, width], seed: 2)
        let values = noise([rows, width], seed: 3)
        func attended(_ queries: Tensor) -> Tensor {
            queries.attended(keys: [keys], values: [values], heads: 3, keyValueHeads: 3, scale: 0.3, causal: false)
        }
        let tiles = attended(queries).reshaped([rows, width])
        for first in stride(from: 0, to: rows, by: 3) {
            let few = attended(queries.reshaped([rows, width])[first..<(first + 3)].reshaped([1, 3, width]))
            #expect(deviation(few, from: tiles[first..<(first + 3)]) < 1e-5)
        }
    }

    @Test func patches_areWhatAConvolutionSees() throws {
        let parameters: [(name: String, shape: [Int])] = [("weight", [20, 3, 4, 4]), ("bias", [20])]
        let pictures = noise([2, 11, 14, 3], seed: 5)  // 3 and 2 pixels more than whole patches
        try withTemporaryFolder { folder in
            let contents = parameters.enumerated().map {
                ($1.name, $1.shape, noise($1.shape, seed: UInt64($0)).array)
            }
            try SafetensorsWriter.file(contents).write(to: folder.appending(path: "model.safetensors"))
            let checkpoint = try Checkpoint(folder)
            let embedding = try checkpoint.load { PatchEmbedding($0, channels: 3, patchSize: 4, 20) }
            let convolution = try checkpoint.load { Convolution($0, 3, 20, kernel: 4, stride: 4, padding: 0) }
            let patches = embedding(pictures)
            #expect(patches.shape == [2, 6, 20])
            #expect(deviation(patches, from: convolution(pictures)) < 1e-6)
        }
    }

    // MARK: Keys

    /// The golden checkpoint with its tensors changed.
    private func problems(
        _ config: SigLIPConfig,
        _ output: SigLIP.Output,
        _ change: (inout [String: StoredTensor]) -> Void
    ) throws -> [TensorProblem] {
        let file = try SafetensorsFile(folder.appending(path: "model.safetensors"))
        var tensors = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0) })
        change(&tensors)
        let contents = tensors.sorted { $0.key < $1.key }.map { ($0.key, $0.value.shape, $0.value.tensor().array) }
        return try withTemporaryFolder { folder in
            try SafetensorsWriter.file(contents).write(to: folder.appending(path: "model.safetensors"))
            return try Checkpoint(folder).problems { SigLIP(config, checkpoint: $0, output: output) }
        }
    }

    @Test func keys_ofTheWholeModelAreAccountedFor() throws {
        let config = try config()
        let checkpoint = try Checkpoint(folder)
        for output in [SigLIP.Output.hiddenState(layers: 0), .hiddenState(layers: 2), .normalized] {
            #expect(checkpoint.problems { SigLIP(config, checkpoint: $0, output: output) }.isEmpty)
        }
    }

    @Test func keys_behindTheSelectedLayerMayBeMissing() throws {
        let config = try config()
        func cut(_ tensors: inout [String: StoredTensor]) {
            tensors = tensors.filter { key, _ in
                key.hasPrefix("vision_model.") && !key.contains("layers.2") && !key.contains("post_layernorm")
                    && !key.contains("head")
            }
        }
        #expect(try problems(config, .hiddenState(layers: 2), cut).isEmpty)
        #expect(try problems(config, .hiddenState(layers: 3), cut).count == 16)
        #expect(try problems(config, .normalized, cut).count == 18)
    }

    @Test func keys_thatNobodyKnowsAreProblems() throws {
        let config = try config()
        let unknown = [
            "vision_model.encoder.layers.3.layer_norm1.weight", "vision_model.head.extra", "text_model.extra.weight",
            "vision_model.encoder.layers.0.self_attn.q_proj.scale", "visual_projection.weight",
        ]
        let found = try problems(config, .hiddenState(layers: 1)) { tensors in
            for key in unknown { tensors[key] = tensors["logit_bias"] }
        }
        #expect(found.map(\.key).sorted() == unknown.sorted())
    }

    @Test func textHalf_isUnexpectedWhereTheConfigHasNone() throws {
        var config = try config()
        config.textLayers = 0
        let found = try Checkpoint(folder).problems { SigLIP(config, checkpoint: $0, output: .normalized) }
        #expect(found.count == 16 + 6 + 2)
        #expect(found.allSatisfy { $0.key.hasPrefix("text_model.") || $0.key.hasPrefix("logit_") })
    }

    @Test func copies_insideOtherCheckpointsCanBeLeftOut() throws {
        let config = try config()
        let found = try Checkpoint(folder).problems { SigLIP.discard(config, $0["vision_model"]) }
        #expect(found.count == 16 + 6 + 2)
        #expect(!found.contains { $0.key.hasPrefix("vision_model.") })
    }

    // MARK: Configuration

    @Test func config_readsBothForms() throws {
        let whole = try decode(#"{"model_type": "siglip", "vision_config": \#(wide), "text_config": {}}"#)
        var alone = try decode(wide)
        #expect(alone.textLayers == 0 && whole.textLayers == 12)
        #expect(alone.gridSize == 9)
        alone.textLayers = 12
        #expect(alone == whole)
    }

    @Test func config_hasTransformersDefaults() throws {
        let config = try decode("{}")
        #expect((config.width, config.feedForwardWidth, config.layers, config.heads) == (768, 3072, 12, 12))
        #expect((config.pictureSize, config.patchSize, config.patches) == (224, 16, 196))
        #expect(config.activation == .geluTanh && config.normEpsilon == 1e-6)
    }

    @Test(arguments: [
        (#"{"hidden_size": 100}"#, "num_attention_heads"), (#"{"num_channels": 1}"#, "num_channels"),
        (#"{"image_size": 8}"#, "patch_size"), (#"{"hidden_act": "quick_gelu"}"#, "hidden_act"),
        (#"{"model_type": "clip_vision_model"}"#, "model_type"), (#"{"model_type": "siglip"}"#, "vision_config"),
        (#"{"vision_config": {"num_hidden_layers": 0}}"#, "vision_config.num_hidden_layers"),
        (#"{"vision_config": {"layer_norm_eps": "1e-6"}}"#, "vision_config.layer_norm_eps"),
        (#"{"vision_config": {}, "text_config": {"num_hidden_layers": -1}}"#, "text_config.num_hidden_layers"),
        (#"{"vision_config": []}"#, "vision_config"),
    ])
    func config_errorsNameTheJSONPath(json: String, path: String) throws {
        let error = #expect(throws: CheckpointError.self) { try decode(json) }
        #expect(error?.description.hasPrefix("config.json: \(path):") == true, "\(String(describing: error))")
    }
}
