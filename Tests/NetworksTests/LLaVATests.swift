import Checkpoints
import Foundation
import GoldenData
import Networks
import Tensors
import Testing

@Suite struct AnyResolutionTests {
    private struct Sizes: Decodable {
        struct Picture: Decodable {
            var h: Int
            var w: Int
            var onevision: [Int]
            var next: [Int]
        }

        var pictures: [Picture]
        var oneVision: [[Int]]
        var next: [[Int]]

        private enum CodingKeys: String, CodingKey {
            case pictures = "select_best_resolution"
            case oneVision = "onevision_pinpoints"
            case next = "next_pinpoints"
        }
    }

    @Test(.enabled(if: GoldenData.isHere("units/images/sizes.json"), "needs the full golden data: TRIPTYCH_GOLDENS"))
    func grids_areThoseOfTheReference() throws {
        let file = GoldenData.url("units/images/sizes.json")
        let sizes = try JSONDecoder().decode(Sizes.self, from: Data(contentsOf: file))
        let oneVision = try #require(AnyResolution(pinpoints: sizes.oneVision, tileSize: 384))
        let next = try #require(AnyResolution(pinpoints: sizes.next, tileSize: 336))
        #expect(sizes.pictures.count == 150)
        for picture in sizes.pictures {
            let grid = oneVision.grid(height: picture.h, width: picture.w)
            #expect([grid.rows * 384, grid.columns * 384] == picture.onevision, "\(picture)")
            let nextGrid = next.grid(height: picture.h, width: picture.w)
            #expect([nextGrid.rows * 336, nextGrid.columns * 336] == picture.next, "\(picture)")
        }
    }

    @Test func grids_mustBeMadeOfTiles() {
        for pinpoints in [[], [[60]], [[60, 61]], [[60, 0]], [[-60, 60]], [[60, 60 * 65]], [[Int.min, 60]]] {
            #expect(AnyResolution(pinpoints: pinpoints, tileSize: 60) == nil, "\(pinpoints)")
        }
        #expect(AnyResolution(pinpoints: [[60, 120]], tileSize: 60)?.grids == [.init(rows: 1, columns: 2)])
        #expect(AnyResolution(pinpoints: [[60, 120]], tileSize: 0) == nil)
    }

    @Test func pictures_fillTheirGridOneWay() throws {
        let tiles = try #require(AnyResolution(pinpoints: [[120, 120]], tileSize: 60))
        for (height, width, expected) in [(50, 100, [60, 120]), (100, 50, [120, 60]), (7, 7, [120, 120])] {
            let size = tiles.fittedSize(height: height, width: width, in: tiles.grids[0])
            #expect([size.height, size.width] == expected)
        }
        let strip = tiles.fittedSize(height: 1, width: 60_000, in: tiles.grids[0])
        #expect(strip.height == 1 && strip.width == 120)
    }
}

@Suite struct LLaVATests {
    /// Tiles of 8 pixels in 2 × 2 patches, features as wide as heads and all.
    static let oneVision = """
        {"model_type": "llava_onevision", "image_token_index": 38, "video_token_index": 39,
         "image_grid_pinpoints": [[8, 8], [8, 16], [16, 8], [16, 16]],
         "text_config": {"model_type": "qwen2", "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1,
          "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 24, "eos_token_id": [1, 2]},
         "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 12, "intermediate_size": 20,
          "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 8, "patch_size": 4}}
        """
    static let next =
        oneVision
        .replacing("llava_onevision", with: "llava_next").replacing("siglip", with: "clip")
        .replacing("qwen2", with: "llama")

    private func decode(_ json: String) throws -> LLaVAConfig {
        try ConfigurationFile.decode(LLaVAConfig.self, from: Data(json.utf8), file: "config.json")
    }

    private func network(_ json: String) throws -> LLaVA {
        LLaVA(try decode(json), RandomParameters(dtype: .float32).reader)
    }

    // MARK: Features

    /// What transformers' processors write: pictures of every shape, down to strips of which nothing is left in the grid.
    @Test(arguments: [
        (384, 384, 1485, 2928), (480, 640, 2929, 2340), (1080, 1920, 7269, 1948), (3000, 2000, 7362, 2160),
        (10, 3000, 892, 576), (3000, 10, 1053, 648), (1, 1, 1485, 1176), (2304, 2304, 7371, 2928),
        (100, 37, 999, 792), (683, 1024, 5157, 2144), (1, 60_000, 757, 576),
    ])
    func featureCounts_areThoseOfTheReference(height: Int, width: Int, oneVision: Int, next: Int) throws {
        let text = #""text_config": {"model_type": "qwen2", "vocab_size": 152000}"#
        let siglip = """
            {"model_type": "siglip_vision_model", "hidden_size": 1152, "image_size": 384, "intermediate_size": 4304,
             "num_attention_heads": 16, "num_hidden_layers": 26, "patch_size": 14, "vision_use_head": false}
            """
        let first = try decode(#"{"model_type": "llava_onevision", \#(text), "vision_config": \#(siglip)}"#)
        #expect(first.pictureFeatureCount(height: height, width: width) == oneVision)
        #expect(first.videoFeatureCount(frames: 8) == 8 * 196 + 1)
        let clip = """
            {"model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
             "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768}
            """
        let second = try decode(#"{"model_type": "llava_next", \#(text), "vision_config": \#(clip)}"#)
        #expect(second.pictureFeatureCount(height: height, width: width) == next)
        #expect(second.videoToken == nil && first.videoToken == 151_647)
    }

    @Test(arguments: [(8, 8), (16, 16), (30, 9), (9, 30), (1, 200), (200, 1), (5, 7)])
    func features_areAsManyAsCounted(height: Int, width: Int) throws {
        for json in [Self.oneVision, Self.next] {
            let network = try network(json)
            let grid = network.config.tiles.grid(height: height, width: width)
            let tiles = network.features(of: noise([1 + grid.rows * grid.columns, 8, 8, 3], seed: 3))
            let features = network.pictureFeatures(tiles, height: height, width: width)
            #expect(features.shape == [network.config.pictureFeatureCount(height: height, width: width), 16])
            #expect(features[0..<4].array == tiles[item: 0])
        }
    }

    /// A picture twice as wide as high: two tiles side by side, in rows across both, each with its newline.
    @Test func tiles_areJoinedRowByRow() throws {
        let network = try network(Self.oneVision)
        // Feature 0 of every patch tells which one it is.
        let patches = (0..<12).flatMap { patch in (0..<16).map { $0 == 0 ? Float(patch) : 0 } }
        let features = network.pictureFeatures(Tensor(patches, shape: [3, 4, 16]), height: 8, width: 16)
        let first = (0..<features.shape[0]).map { features[$0..<($0 + 1)].array[0] }
        let newline = first[8]
        #expect(first == [0, 1, 2, 3, 4, 5, 8, 9, newline, 6, 7, 10, 11, newline])
        #expect(newline.rounded() != newline)
    }

    @Test func tiles_doNotDependOnTheirNeighbours() throws {
        for json in [Self.oneVision, Self.next] {
            let network = try network(json)
            let tiles = noise([5, 8, 8, 3], seed: 4)
            let together = network.features(of: tiles)
            for item in 0..<5 {
                #expect(together[item: item] == network.features(of: tiles[item..<(item + 1)]).array)
            }
        }
    }

    /// Four features a frame become one, with a newline behind the last frame.
    @Test func frames_arePooled() throws {
        let network = try network(Self.oneVision)
        let frames = network.features(of: noise([3, 8, 8, 3], seed: 5))
        let features = network.videoFeatures(frames)
        #expect(features.shape == [network.config.videoFeatureCount(frames: 3), 16] && features.shape[0] == 4)
        let patches = frames[2..<3].reshaped([4, 16])
        let sum = patches[0..<1] + patches[1..<2] + patches[2..<3] + patches[3..<4]
        #expect(deviation(features[2..<3], from: sum.scaled(by: 0.25)) < 1e-6)
    }

    // MARK: Keys

    private typealias Parameter = (name: String, shape: [Int])

    /// Every parameter of the network with SigLIP, as transformers named them before 4.52.
    private static let parameters: [Parameter] = [tower, layer(0), layer(1), text, rest].flatMap { $0 }

    private static let tower: [Parameter] = below(
        "vision_tower.vision_model.",
        [
            ("embeddings.patch_embedding.weight", [12, 3, 4, 4]), ("embeddings.patch_embedding.bias", [12]),
            ("embeddings.position_embedding.weight", [4, 12]), ("post_layernorm.weight", [12]),
            ("post_layernorm.bias", [12]),
        ]
    )

    private static let text: [Parameter] = below(
        "language_model.model.",
        [
            ("embed_tokens.weight", [40, 16]), ("norm.weight", [16]), ("layers.0.input_layernorm.weight", [16]),
            ("layers.0.post_attention_layernorm.weight", [16]), ("layers.0.self_attn.q_proj.weight", [16, 16]),
            ("layers.0.self_attn.k_proj.weight", [8, 16]), ("layers.0.self_attn.v_proj.weight", [8, 16]),
            ("layers.0.self_attn.q_proj.bias", [16]), ("layers.0.self_attn.k_proj.bias", [8]),
            ("layers.0.self_attn.v_proj.bias", [8]), ("layers.0.self_attn.o_proj.weight", [16, 16]),
            ("layers.0.mlp.gate_proj.weight", [24, 16]), ("layers.0.mlp.up_proj.weight", [24, 16]),
            ("layers.0.mlp.down_proj.weight", [16, 24]),
        ]
    )

    private static let rest: [Parameter] = [
        ("multi_modal_projector.linear_1.weight", [16, 12]), ("multi_modal_projector.linear_1.bias", [16]),
        ("multi_modal_projector.linear_2.weight", [16, 16]), ("multi_modal_projector.linear_2.bias", [16]),
        ("image_newline", [16]), ("language_model.lm_head.weight", [40, 16]),
    ]

    private static func layer(_ index: Int) -> [Parameter] {
        var parameters: [Parameter] = [
            ("layer_norm1.weight", [12]), ("layer_norm1.bias", [12]), ("layer_norm2.weight", [12]),
            ("layer_norm2.bias", [12]), ("mlp.fc1.weight", [20, 12]), ("mlp.fc1.bias", [20]),
            ("mlp.fc2.weight", [12, 20]), ("mlp.fc2.bias", [12]),
        ]
        for name in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            parameters.append(("self_attn.\(name).weight", [12, 12]))
            parameters.append(("self_attn.\(name).bias", [12]))
        }
        return below("vision_tower.vision_model.encoder.layers.\(index).", parameters)
    }

    private static func below(_ path: String, _ parameters: [Parameter]) -> [Parameter] {
        parameters.map { (path + $0.name, $0.shape) }
    }

    /// What a network makes of a tile and a token; its parameters are stored under names that `rename` gives them, or not
    /// at all.
    private func outcome(at root: String? = nil, _ rename: (String) -> String?) throws -> [Float] {
        let config = try decode(Self.oneVision)
        return try withTemporaryFolder { folder in
            let contents = Self.parameters.enumerated().compactMap { index, parameter in
                rename(parameter.name).map { ($0, parameter.shape, noise(parameter.shape, seed: UInt64(index)).array) }
            }
            try SafetensorsWriter.file(contents).write(to: folder.appending(path: "model.safetensors"))
            let network = try Checkpoint(folder).load(keys: LLaVA.keys) { LLaVA(config, root.map($0.below) ?? $0) }
            var caches = [config.text.cache()]
            let logits = network.text.logits(network.text([[3]], caches: &caches))
            return network.features(of: noise([1, 8, 8, 3], seed: 1)).array + logits.array
        }
    }

    @Test func keys_haveTwoSpellings() throws {
        let old = try outcome { $0 }
        let new = try outcome { name in
            if name.hasPrefix("language_model.lm_head.") { return name.replacing("language_model.", with: "") }
            return "model." + name.replacing("language_model.model.", with: "language_model.")
        }
        #expect(old == new)
        let newest = try outcome { $0.replacing("vision_tower.vision_model.", with: "vision_tower.") }
        #expect(old == newest)
        // Below the root of a larger checkpoint.
        let part = try outcome(at: "model.mllm_backbone") { "model.mllm_backbone.\($0)" }
        #expect(old == part)
    }

    @Test func keys_thatTheSelectedStateDoesNotNeedMayBeMissing() throws {
        let whole = try outcome { $0 }
        #expect(try outcome { $0.contains("post_layernorm") ? nil : $0 } == whole)
        for key in ["image_newline", "multi_modal_projector.linear_2.bias", "layers.1.mlp.fc2.bias", "q_proj.bias"] {
            let error = #expect(throws: CheckpointError.self) { try outcome { $0.hasSuffix(key) ? nil : $0 } }
            #expect(error?.description.contains(key) == true, "\(key)")
        }
    }

    // MARK: Configuration

    @Test func config_readsBothSpellings() throws {
        let old = try decode(Self.oneVision)
        let new = Self.oneVision.replacing("image_token_index", with: "image_token_id")
            .replacing("video_token_index", with: "video_token_id").replacing("[1, 2]", with: "1")
        var expected = old
        expected.endTokens = [1]
        #expect(old.endTokens == [1, 2])
        #expect(try decode(new) == expected)
        #expect((old.pictureToken, old.videoToken, old.featureLimit) == (38, 39, 9))
        #expect(try decode(Self.next).featureLimit == nil)
    }

    @Test(arguments: [
        ("llava_onevision", "llava", "model_type"), ("qwen2", "mistral", "text_config.model_type"),
        ("[16, 16]]", "[16, 17]]", "image_grid_pinpoints"), ("[16, 16]]", "16]", "image_grid_pinpoints[3]"),
        (": 38", ": 40", "image_token_index"), (": 39", ": -1", "video_token_index"),
        ("siglip_vision_model", "vit", "vision_config.model_type"),
        (": 12,", ": 13,", "vision_config.num_attention_heads"),
        ("[1, 2]", "\"x\"", "text_config.eos_token_id"),
        (": 38", ": 38, \"vision_feature_layer\": -4", "vision_feature_layer"),
        (": 38", ": 38, \"vision_feature_layer\": [-2, -1]", "vision_feature_layer"),
        (": 38", ": 38, \"vision_feature_select_strategy\": \"default\"", "vision_feature_select_strategy"),
        (": 38", ": 38, \"vision_aspect_ratio\": \"square\"", "vision_aspect_ratio"),
        (": 38", ": 38, \"vision_aspect_ratio\": \"anyres_max_0\"", "vision_aspect_ratio"),
        (": 38", ": 38, \"projector_hidden_act\": \"relu\"", "projector_hidden_act"),
        (": 38", ": 38, \"use_image_newline_parameter\": false", "use_image_newline_parameter"),
    ])
    func config_errorsNameTheJSONPath(text: String, other: String, path: String) throws {
        let error = #expect(throws: CheckpointError.self) { try decode(Self.oneVision.replacing(text, with: other)) }
        #expect(error?.description.hasPrefix("config.json: \(path):") == true, "\(String(describing: error))")
    }
}

extension ParameterReader {
    /// The reader at a path of several names.
    fileprivate func below(_ path: String) -> ParameterReader {
        path.split(separator: ".").reduce(self) { $0[String($1)] }
    }
}
