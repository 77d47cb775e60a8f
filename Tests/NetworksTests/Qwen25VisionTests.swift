import Checkpoints
import Foundation
import GoldenData
import Tensors
import Testing

@testable import Networks

@Suite(.enabled(if: GoldenData.isHere("metaquery_qwen25vl_sd"), "needs the full golden data: TRIPTYCH_GOLDENS"))
struct Qwen25VisionGoldenTests {
    private let folder = GoldenData.url("metaquery_qwen25vl_sd/components/Qwen/Qwen2.5-VL-tiny-Instruct")

    private func golden() throws -> GoldenCase {
        try GoldenCase("units/modules", tensors: "qwen25vl_vision.safetensors")
    }

    private func config() throws -> Qwen25VisionConfig {
        try ConfigurationFile.decode(Qwen25VisionConfig.self, at: folder.appending(path: "config.json"))
    }

    private func grids(_ golden: GoldenCase, _ name: String) throws -> [PatchGrid] {
        let sizes = try golden.integers("\(name).grid_thw")
        return stride(from: 0, to: sizes.count, by: 3).map { index in
            PatchGrid(frames: sizes[index], rows: sizes[index + 1], columns: sizes[index + 2])
        }
    }

    @Test(arguments: ["g0", "two"]) func tokens_equalTheReference(name: String) throws {
        let golden = try golden()
        let config = try config()
        let keys = KeyTable(renamed: Qwen25Vision.keys.renamed, ignoredPrefixes: ["model."])
        let network = try Checkpoint(folder).load(keys: keys) { Qwen25Vision(config, $0["visual"]) }
        let grids = try grids(golden, name)
        let tokens = network(try golden.tensor("\(name).pixel_values"), grids)
        #expect(tokens.map { $0.shape[0] } == grids.map { $0.merged(by: config.mergeSize).patches })
        #expect(deviation(.concatenated(tokens, axis: 0), from: try golden.tensor("\(name).output")) < 2e-5)
    }

    @Test(arguments: ["g0", "g1", "g2"]) func windows_equalTheReference(name: String) throws {
        let golden = try golden()
        let windows = Qwen25Windows(try grids(golden, name)[0], try config())
        #expect(windows.order == (try golden.integers("\(name).window_index")))
        #expect(windows.places.map { windows.order[$0] } == Array(windows.order.indices))
        var ends = [0]
        for length in windows.lengths { ends.append(ends[ends.count - 1] + length) }
        // The reference lists windows without patches, too, and drops them before it attends.
        let expected = try golden.integers("\(name).cu_window_seqlens")
        #expect(ends == expected.enumerated().filter { $0 == 0 || expected[$0 - 1] != $1 }.map(\.element))
    }

    @Test(arguments: ["g0", "g1", "g2"]) func rotaryPositions_equalTheReference(name: String) throws {
        let golden = try golden()
        let (grid, config) = (try grids(golden, name)[0], try config())
        let units = grid.merged(by: config.mergeSize).patches
        let rotation = Qwen25VisionRotary(config)(Array(0..<units), grid)
        let angles = try golden.tensor("\(name).rot_pos_emb").array
        #expect(deviation(rotation.cosines.array, from: angles.map { cos($0) }) < 1e-6)
        #expect(deviation(rotation.sines.array, from: angles.map { sin($0) }) < 1e-6)
    }
}

@Suite struct Qwen25VisionTests {
    /// Windows of 2 × 2 tokens, 4 × 4 patches.
    private func small(fullLayers: String = "[1]") -> String {
        #"""
        {"hidden_size": 32, "intermediate_size": 40, "depth": 2, "num_heads": 2, "patch_size": 4, "window_size": 16,
         "out_hidden_size": 24, "fullatt_block_indexes": \#(fullLayers)}
        """#
    }

    private func decode(_ json: String) throws -> Qwen25VisionConfig {
        try ConfigurationFile.decode(Qwen25VisionConfig.self, from: Data(json.utf8), file: "config.json")
    }

    private func network(_ json: String) throws -> Qwen25Vision {
        let config = try decode(json)
        return Qwen25Vision(config, RandomParameters(dtype: .float32).reader["visual"])
    }

    private func patches(_ grid: PatchGrid, _ network: Qwen25Vision, seed: UInt64) -> Tensor {
        noise([grid.patches, network.config.patchWidth], seed: seed)
    }

    // MARK: Who sees whom

    @Test func pictures_doNotDependOnTheirNeighbours() throws {
        let network = try network(small())
        let grids = [(1, 4, 6), (1, 12, 10), (3, 6, 4), (1, 2, 2)].map(PatchGrid.init)
        let pictures = grids.enumerated().map { patches($1, network, seed: UInt64($0)) }
        let together = network(.concatenated(pictures, axis: 0), grids)
        for (index, grid) in grids.enumerated() {
            #expect(together[index].shape == [grid.patches / 4, 24])
            #expect(together[index].array.allSatisfy { $0.isFinite })
            #expect(together[index].array == network(pictures[index], grid).array, "picture \(index)")
        }
    }

    /// With more patches than a feed-forward takes at a time.
    @Test func frames_areSeenAsPictures() throws {
        let network = try network(small())
        let frame = PatchGrid(frames: 1, rows: 64, columns: 32)
        let video = PatchGrid(frames: 5, rows: 64, columns: 32)
        let pixels = patches(video, network, seed: 3)
        let tokens = network(pixels, video)
        for index in 0..<5 {
            let rows = index * frame.patches..<(index + 1) * frame.patches
            let alone = network(pixels[rows], frame)
            let part = tokens[(rows.lowerBound / 4)..<(rows.upperBound / 4)]
            #expect(deviation(part, from: alone) < 1e-6, "frame \(index)")
        }
    }

    @Test func windows_areLeftByFullAttentionOnly() throws {
        let grid = PatchGrid(frames: 1, rows: 8, columns: 12)
        /// Which tokens change with the first patch.
        func changed(_ fullLayers: String) throws -> [Int] {
            let network = try network(small(fullLayers: fullLayers))
            let pixels = patches(grid, network, seed: 4)
            var other = pixels
            other.replaceRows(at: 0, with: noise([1, network.config.patchWidth], seed: 5))
            let (before, after) = (network(pixels, grid), network(other, grid))
            return (0..<24).filter { before[item: $0] != after[item: $0] }
        }
        // Six tokens a row: the window holds two of the first row and two of the second.
        #expect(try changed("[]") == [0, 1, 6, 7])
        #expect(try changed("[0]") == Array(0..<24))
    }

    @Test func layers_canBeTakenInSteps() throws {
        let network = try network(small())
        let grid = PatchGrid(frames: 2, rows: 6, columns: 10)
        let pixels = patches(grid, network, seed: 9)
        var hidden = network.embedded(pixels, grid)
        for layer in 0..<2 { hidden = network.hidden(hidden, grid, layers: layer..<(layer + 1)) }
        #expect(network.tokens(of: hidden, grid).array == network(pixels, grid).array)
    }

    @Test func segments_ofOneLengthAreAttendedTogether() {
        let runs = SegmentRun.runs(of: [64, 64, 32, 64, 16, 16])
        let expected = [(0, 64, 2), (128, 32, 1), (160, 64, 1), (224, 16, 2)].map(SegmentRun.init)
        #expect(runs == expected)
        #expect(SegmentRun.runs(of: []).isEmpty)
    }

    // MARK: Keys

    private let tensors: [(name: String, shape: [Int])] =
        [
            ("patch_embed.proj.weight", [32, 3, 2, 4, 4]), ("merger.ln_q.weight", [32]),
            ("merger.mlp.0.weight", [128, 128]), ("merger.mlp.0.bias", [128]),
            ("merger.mlp.2.weight", [24, 128]), ("merger.mlp.2.bias", [24]),
        ]
        + (0..<2).flatMap { layer in
            [
                ("norm1.weight", [32]), ("norm2.weight", [32]), ("attn.qkv.weight", [96, 32]), ("attn.qkv.bias", [96]),
                ("attn.proj.weight", [32, 32]), ("attn.proj.bias", [32]), ("mlp.gate_proj.weight", [40, 32]),
                ("mlp.gate_proj.bias", [40]), ("mlp.up_proj.weight", [40, 32]), ("mlp.up_proj.bias", [40]),
                ("mlp.down_proj.weight", [32, 40]), ("mlp.down_proj.bias", [32]),
            ].map { ("blocks.\(layer).\($0.0)", $0.1) }
        }

    private func withCheckpoint<Result>(
        _ prefix: String,
        leavingOut missing: String? = nil,
        _ body: (Checkpoint) throws -> Result
    ) throws -> Result {
        try withTemporaryFolder { folder in
            let contents = tensors.enumerated().filter { $1.name != missing }.map { index, tensor in
                (prefix + tensor.name, tensor.shape, noise(tensor.shape, seed: UInt64(index)).array)
            }
            try SafetensorsWriter.file(contents).write(to: folder.appending(path: "model.safetensors"))
            return try body(Checkpoint(folder))
        }
    }

    @Test func bothSpellings_areOneNetwork() throws {
        let config = try decode(small())
        let grid = PatchGrid(frames: 1, rows: 6, columns: 4)
        let tokens = try ["visual.", "model.visual."].map { prefix in
            try withCheckpoint(prefix) { checkpoint in
                let network = try checkpoint.load(keys: Qwen25Vision.keys) { Qwen25Vision(config, $0["visual"]) }
                return network(patches(grid, network, seed: 6), grid).array
            }
        }
        #expect(tokens[0] == tokens[1])
    }

    @Test func tensorsThatAreMissingOrUnknown_areNamed() throws {
        var config = try decode(small())
        let missing = try withCheckpoint("visual.", leavingOut: "merger.ln_q.weight") { checkpoint in
            checkpoint.problems(keys: Qwen25Vision.keys) { Qwen25Vision(config, $0["visual"]) }
        }
        #expect(missing == [.missing(key: "visual.merger.ln_q.weight", shape: [32])])
        config.layers = 1
        let unknown = try withCheckpoint("visual.") { checkpoint in
            checkpoint.problems(keys: Qwen25Vision.keys) { Qwen25Vision(config, $0["visual"]) }
        }
        #expect(unknown.count == 12 && unknown.allSatisfy { $0.key.hasPrefix("visual.blocks.1.") })
    }

    // MARK: Configuration

    @Test func config_readsBothForms() throws {
        let alone = try decode(small())
        let whole = #"{"model_type": "qwen2_5_vl", "hidden_size": 64, "vision_config": \#(small())}"#
        #expect(try decode(whole) == alone)
        #expect(alone.patchWidth == 96 && alone.headWidth == 16 && alone.unitsPerWindowSide == 2)
    }

    @Test func config_hasTransformersDefaults() throws {
        let config = try decode(#"{"vision_config": {"in_chans": 3}}"#)
        #expect((config.width, config.feedForwardWidth, config.layers, config.heads) == (3584, 3420, 32, 16))
        #expect((config.patchSize, config.temporalPatchSize, config.mergeSize, config.windowSize) == (14, 2, 2, 112))
        #expect(config.fullAttentionLayers == [7, 15, 23, 31] && config.outputWidth == 3584)
        #expect(config.tokensPerSecond == 4 && config.unitsPerWindowSide == 4)
    }

    @Test(arguments: [
        (#"{"model_type": "qwen2_vl"}"#, "model_type"), (#"{"hidden_size": 100}"#, "num_heads"),
        (#"{"in_channels": 1}"#, "in_channels"), (#"{"window_size": 27}"#, "window_size"),
        (#"{"hidden_act": "quick_gelu"}"#, "hidden_act"), (#"{"fullatt_block_indexes": 7}"#, "fullatt_block_indexes"),
        (#"{"vision_config": {"depth": 0}}"#, "vision_config.depth"),
        (#"{"vision_config": {"patch_size": -14}}"#, "vision_config.patch_size"),
        (#"{"vision_config": {"spatial_merge_size": 0}}"#, "vision_config.spatial_merge_size"),
        (#"{"vision_config": {"temporal_patch_size": 1e3}}"#, "vision_config.temporal_patch_size"),
        (#"{"vision_config": {"tokens_per_second": 1e300}}"#, "vision_config.tokens_per_second"),
        (#"{"vision_config": 1}"#, "vision_config"),
    ])
    func config_errorsNameTheJSONPath(json: String, path: String) throws {
        let error = #expect(throws: CheckpointError.self) { try decode(json) }
        #expect(error?.description.hasPrefix("config.json: \(path):") == true, "\(String(describing: error))")
    }
}
