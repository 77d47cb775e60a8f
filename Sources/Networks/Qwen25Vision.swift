package import Checkpoints
package import Tensors

/// The `vision_config` of a Qwen2.5-VL `config.json`, or a file of its own.
package struct Qwen25VisionConfig: Sendable, Equatable, Decodable {
    package var width: Int
    package var feedForwardWidth: Int
    package var layers: Int
    package var heads: Int
    package var channels: Int
    /// Pixels a side of a patch.
    package var patchSize: Int
    /// Frames of a patch.
    package var temporalPatchSize: Int
    /// Patches a side of what becomes one token.
    package var mergeSize: Int
    /// Pixels a side of the windows that most layers attend in.
    package var windowSize: Int
    /// The layers that attend to a whole frame.
    package var fullAttentionLayers: Set<Int>
    /// Width of the tokens that come out: the language model's.
    package var outputWidth: Int
    /// How many positions of the language model a second of video takes.
    package var tokensPerSecond: Double

    /// Of every norm; transformers' code, no config names it.
    static let normEpsilon = 1e-6

    package var headWidth: Int { width / heads }
    /// Values of a patch: [channels, temporalPatchSize, patchSize, patchSize].
    package var patchWidth: Int { channels * temporalPatchSize * patchSize * patchSize }
    /// Merged patches along a side of a window.
    var unitsPerWindowSide: Int { windowSize / mergeSize / patchSize }

    private enum CodingKeys: String, CodingKey {
        case modelType = "model_type"
        case vision = "vision_config"
        case width = "hidden_size"
        case feedForwardWidth = "intermediate_size"
        case layers = "depth"
        case heads = "num_heads"
        case channels = "in_channels"
        case patchSize = "patch_size"
        case temporalPatchSize = "temporal_patch_size"
        case mergeSize = "spatial_merge_size"
        case windowSize = "window_size"
        case fullAttentionLayers = "fullatt_block_indexes"
        case outputWidth = "out_hidden_size"
        case tokensPerSecond = "tokens_per_second"
        case activation = "hidden_act"
    }

    package init(from decoder: any Decoder) throws {
        let file = try decoder.container(keyedBy: CodingKeys.self)
        let isWhole = try file.holds(.vision)
        let config = isWhole ? try file.nestedContainer(keyedBy: CodingKeys.self, forKey: .vision) : file
        let type = try config.decodeIfPresent(String.self, forKey: .modelType) ?? "qwen2_5_vl"
        guard type == "qwen2_5_vl" else {
            throw config.invalid(.modelType, "\"\(type)\" is not supported (qwen2_5_vl)")
        }
        width = try config.integer(.width, in: .networkSize, default: 3584)
        feedForwardWidth = try config.integer(.feedForwardWidth, in: .networkSize, default: 3420)
        layers = try config.integer(.layers, in: 1...1024, default: 32)
        heads = try config.integer(.heads, in: .networkSize, default: 16)
        // A head's pairs are halved between rows and columns.
        guard width.isMultiple(of: 4 * heads) else {
            throw config.invalid(.heads, "\(heads) does not cut \(width) into heads of a multiple of 4")
        }
        channels = try config.integer(.channels, in: 3...3, default: 3)
        // Far above any real ones; products stay countable.
        patchSize = try config.integer(.patchSize, in: 1...1024, default: 14)
        temporalPatchSize = try config.integer(.temporalPatchSize, in: 1...64, default: 2)
        mergeSize = try config.integer(.mergeSize, in: 1...16, default: 2)
        windowSize = try config.integer(.windowSize, in: (mergeSize * patchSize)...(1 << 20), default: 112)
        let fullAttentionLayers = try config.decodeIfPresent([Int].self, forKey: .fullAttentionLayers)
        self.fullAttentionLayers = Set(fullAttentionLayers ?? [7, 15, 23, 31])
        outputWidth = try config.integer(.outputWidth, in: .networkSize, default: 3584)
        tokensPerSecond = try config.number(.tokensPerSecond, in: 0...1000, default: 4)
        let activation = try config.decodeIfPresent(String.self, forKey: .activation) ?? "silu"
        guard activation == "silu" else {
            throw config.invalid(.activation, "\"\(activation)\" is not supported (silu)")
        }
    }
}

/// Qwen2.5-VL's vision transformer (arXiv 2502.13923): patches of a picture or video of any size to tokens of the
/// language model.
///
/// Every picture and every video goes through on its own: what it becomes does not depend on others. Memory grows with
/// the number of patches, never with its square.
package struct Qwen25Vision: Sendable {
    package let config: Qwen25VisionConfig
    private let patchEmbedding: LinearWeight
    private let rotary: Qwen25VisionRotary
    private let layers: [Qwen25VisionLayer]
    private let merger: Qwen25PatchMerger

    /// Newer versions of transformers keep the network below `model`.
    package static let keys = KeyTable(renamed: [("model.visual.", "visual.")])

    /// - Parameter reader: stands at `visual`
    package init(_ config: Qwen25VisionConfig, _ reader: ParameterReader) {
        self.config = config
        let size = [config.temporalPatchSize, config.patchSize, config.patchSize]
        // A convolution whose stride is its kernel is a product with the flattened patch.
        let kernel = reader["patch_embed"]["proj"].tensor("weight", [config.width, config.channels] + size).tensor()
        patchEmbedding = LinearWeight(
            kernel.reshaped([kernel.shape[0], kernel.count / kernel.shape[0]]),
            bias: nil
        )
        rotary = Qwen25VisionRotary(config)
        layers = (0..<config.layers).map { Qwen25VisionLayer(config, reader["blocks"][$0]) }
        merger = Qwen25PatchMerger(config, reader["merger"])
    }

    /// Tokens of some pictures and videos, [tokens, outputWidth] each.
    /// - Parameters:
    ///   - patches: as the image processor lays them out, all pictures one behind the other: [patches, patchWidth]
    ///   - grids: rows and columns are multiples of the merge size
    package func callAsFunction(_ patches: Tensor, _ grids: [PatchGrid]) -> [Tensor] {
        precondition(
            patches.shape == [grids.reduce(0) { $0 + $1.patches }, config.patchWidth],
            "\(patches.shape) for grids \(grids)"
        )
        var start = 0
        return grids.map { grid in
            defer { start += grid.patches }
            return self(patches[start..<(start + grid.patches)], grid)
        }
    }

    /// Tokens of one picture or video: [patches, patchWidth] → [tokens, outputWidth]
    package func callAsFunction(_ patches: Tensor, _ grid: PatchGrid) -> Tensor {
        tokens(of: hidden(embedded(patches, grid), grid, layers: 0..<config.layers), grid)
    }

    // A large picture takes minutes: the same in steps.

    /// The way in: [patches, patchWidth] → [1, patches, width], window by window.
    package func embedded(_ patches: Tensor, _ grid: PatchGrid) -> Tensor {
        precondition(
            grid.patches > 0 && grid.rows % config.mergeSize == 0 && grid.columns % config.mergeSize == 0,
            "\(grid) for patches merged by \(config.mergeSize)"
        )
        let unit = config.mergeSize * config.mergeSize
        return patches.linear(patchEmbedding)  // [patches, width]
            .reshaped([grid.patches / unit, unit, config.width])
            .reordered(Qwen25Windows(grid, config).order)
            .reshaped([1, grid.patches, config.width])
    }

    /// Some of the layers: [1, patches, width] → the same shape.
    package func hidden(_ x: Tensor, _ grid: PatchGrid, layers range: Range<Int>) -> Tensor {
        let windows = Qwen25Windows(grid, config)
        let windowRuns = SegmentRun.runs(of: windows.lengths)
        // Windows of a frame lie together, so that frames are runs of rows, too.
        let frameRuns = [SegmentRun(start: 0, length: grid.patchesPerFrame, count: grid.frames)]
        let rotation = rotary(windows.order, grid)
        return range.reduce(x) { hidden, index in
            layers[index](hidden, rotation, config.fullAttentionLayers.contains(index) ? frameRuns : windowRuns)
        }
    }

    /// The way out: [1, patches, width] behind all layers → [tokens, outputWidth], row by row again.
    package func tokens(of hidden: Tensor, _ grid: PatchGrid) -> Tensor {
        merger(hidden).reordered(Qwen25Windows(grid, config).places)
    }
}

/// Joins the patches of a unit to one token (`Qwen2_5_VLPatchMerger`): a norm, then a perceptron over all of them.
private struct Qwen25PatchMerger: Sendable {
    private let norm: RMSNorm
    private let linear1: Linear
    private let linear2: Linear
    private let unit: Int

    init(_ config: Qwen25VisionConfig, _ reader: ParameterReader) {
        unit = config.mergeSize * config.mergeSize
        let width = unit * config.width
        norm = RMSNorm(reader["ln_q"], config.width, epsilon: Qwen25VisionConfig.normEpsilon)
        linear1 = Linear(reader["mlp"][0], width, width)
        linear2 = Linear(reader["mlp"][2], width, config.outputWidth)
    }

    /// [1, patches, width] → [tokens, outputWidth]
    func callAsFunction(_ x: Tensor) -> Tensor {
        let tokens = x.shape[1] / unit
        let units = norm(x).reshaped([1, tokens, unit * x.shape[2]])
        let merged = linear2(linear1(units, activation: .gelu))  // [1, tokens, outputWidth]
        return merged.reshaped([tokens, merged.shape[2]])
    }
}
