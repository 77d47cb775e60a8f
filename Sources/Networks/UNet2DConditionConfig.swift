import Checkpoints

/// The `config.json` of diffusers' `UNet2DConditionModel`, as Stable Diffusion 1 and 2 configure it.
///
/// Settings that change the arithmetic and are not supported are errors that name them. Those without effect here are
/// not read: `dropout`, and `upcast_attention`, since everything is computed in float32.
package struct UNet2DConditionConfig: Sendable, Equatable, Decodable {
    /// What stands at one resolution of the down half; the up half mirrors it.
    package struct Block: Sendable, Equatable {
        package var channels: Int
        package var layers: Int
        /// Heads and depth of the transformers behind its residual blocks, on the way down and on the way up.
        package var heads: Int
        package var transformerDepth: Int
        package var attendsDown: Bool
        package var attendsUp: Bool
    }

    package var inputChannels: Int
    package var outputChannels: Int
    /// Latent positions at which the network was trained.
    package var sampleHeight: Int
    package var sampleWidth: Int
    /// From the latents' resolution to the lowest one.
    package var blocks: [Block]
    package var normGroups: Int
    package var normEpsilon: Double
    /// Width of the condition's tokens.
    package var conditionWidth: Int
    package var projectsLinearly: Bool
    package var timeSinusoid: TimestepEmbedding.Sinusoid
    package var timeWidth: Int

    private enum CodingKeys: String, CodingKey {
        case inputChannels = "in_channels"
        case outputChannels = "out_channels"
        case sampleSize = "sample_size"
        case downBlocks = "down_block_types"
        case midBlock = "mid_block_type"
        case upBlocks = "up_block_types"
        case blockChannels = "block_out_channels"
        case layersPerBlock = "layers_per_block"
        case transformerLayers = "transformer_layers_per_block"
        /// A misnomer of diffusers: it is the number of heads.
        case heads = "attention_head_dim"
        case normGroups = "norm_num_groups"
        case normEpsilon = "norm_eps"
        case conditionWidth = "cross_attention_dim"
        case projectsLinearly = "use_linear_projection"
        case beginsWithCosines = "flip_sin_to_cos"
        case frequencyShift = "freq_shift"
        case timeWidth = "time_embedding_dim"

        // Supported at one value only.
        case activation = "act_fn"
        case attentionType = "attention_type"
        case timeEmbeddingType = "time_embedding_type"
        case timeScaleShift = "resnet_time_scale_shift"
        case downsamplePadding = "downsample_padding"
        case inputKernel = "conv_in_kernel"
        case outputKernel = "conv_out_kernel"
        case midBlockScale = "mid_block_scale_factor"
        case resnetScale = "resnet_out_scale_factor"
        case onlyCrossAttention = "only_cross_attention"
        case onlyCrossAttentionInMidBlock = "mid_block_only_cross_attention"
        case centersInput = "center_input_sample"
        case dualCrossAttention = "dual_cross_attention"
        case activatesSkippedTime = "resnet_skip_time_act"
        case concatenatesClasses = "class_embeddings_concat"

        // Supported only where absent.
        case headCount = "num_attention_heads"
        case classEmbedding = "class_embed_type"
        case classCount = "num_class_embeds"
        case additionEmbedding = "addition_embed_type"
        case encoderWidth = "encoder_hid_dim"
        case encoderType = "encoder_hid_dim_type"
        case crossAttentionNorm = "cross_attention_norm"
        case reversedTransformerLayers = "reverse_transformer_layers_per_block"
        case timeActivation = "time_embedding_act_fn"
        case timestepActivation = "timestep_post_act"
        case timeConditionWidth = "time_cond_proj_dim"
    }

    package init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        try Self.refuseUnsupported(config)
        inputChannels = try config.integer(.inputChannels, in: 1...1024, default: 4)
        outputChannels = try config.integer(.outputChannels, in: 1...1024, default: 4)
        // Stable Diffusion 1.5's size, where a file has none.
        let sampleSize = try config.integers(.sampleSize, count: 2, in: 1...4096, default: 64)
        (sampleHeight, sampleWidth) = (sampleSize[0], sampleSize[1])
        normGroups = try config.integer(.normGroups, in: .networkSize, default: 32)
        normEpsilon = try config.number(.normEpsilon, in: 0...1, default: 1e-5)
        conditionWidth = try config.integer(.conditionWidth, in: .networkSize, default: 1280)
        projectsLinearly = try config.decodeIfPresent(Bool.self, forKey: .projectsLinearly) ?? false
        blocks = try Self.blocks(config, normGroups: normGroups)

        let first = blocks[0].channels
        let shift = try config.number(.frequencyShift, in: 0...1, default: 0)
        guard first.isMultiple(of: 2), Double(first / 2) > shift else {
            throw config.invalid(.blockChannels, "\(first) channels can't hold the sines and cosines of a timestep")
        }
        timeSinusoid = TimestepEmbedding.Sinusoid(
            width: first,
            beginsWithCosines: try config.decodeIfPresent(Bool.self, forKey: .beginsWithCosines) ?? true,
            frequencyShift: Float(shift)
        )
        timeWidth = try config.integer(.timeWidth, in: .networkSize, default: 4 * first)
    }

    private static func blocks(
        _ config: KeyedDecodingContainer<CodingKeys>,
        normGroups: Int
    ) throws -> [Block] {
        let channels = try config.decode([Int].self, forKey: .blockChannels)
        guard (1...8).contains(channels.count), channels.allSatisfy((1...65536).contains) else {
            throw config.invalid(.blockChannels, "\(channels) are not 1 to 8 channel counts")
        }
        guard channels.allSatisfy({ $0.isMultiple(of: normGroups) }) else {
            throw config.invalid(.normGroups, "\(normGroups) does not divide \(channels)")
        }
        let count = channels.count
        let layers = try config.integers(.layersPerBlock, count: count, in: 1...64, default: 2)
        let depths = try config.integers(.transformerLayers, count: count, in: 1...64, default: 1)
        let heads = try config.integers(.heads, count: count, in: 1...65536, default: 8)
        let attendsDown = try config.attends(.downBlocks, count, with: "CrossAttnDownBlock2D", without: "DownBlock2D")
        let attendsUp = try config.attends(.upBlocks, count, with: "CrossAttnUpBlock2D", without: "UpBlock2D")
        return try channels.indices.map { index in
            let block = Block(
                channels: channels[index],
                layers: layers[index],
                heads: heads[index],
                transformerDepth: depths[index],
                attendsDown: attendsDown[index],
                attendsUp: attendsUp[count - 1 - index]
            )
            // The lowest resolution lends its heads to the middle of the network.
            let attends = block.attendsDown || block.attendsUp || index == count - 1
            guard !attends || block.channels.isMultiple(of: block.heads) else {
                throw config.invalid(.heads, "\(block.heads) heads don't divide \(block.channels) channels")
            }
            return block
        }
    }

    private static func refuseUnsupported(_ config: KeyedDecodingContainer<CodingKeys>) throws {
        for (key, value) in [
            (CodingKeys.midBlock, "UNetMidBlock2DCrossAttn"), (.activation, "silu"), (.attentionType, "default"),
            (.timeEmbeddingType, "positional"), (.timeScaleShift, "default"),
        ] {
            let found = try config.decodeIfPresent(String.self, forKey: key) ?? value
            guard found == value else { throw config.invalid(key, "\"\(found)\" is not supported (\(value))") }
        }
        _ = try config.integer(.downsamplePadding, in: 1...1, default: 1)
        _ = try config.integer(.inputKernel, in: 3...3, default: 3)
        _ = try config.integer(.outputKernel, in: 3...3, default: 3)
        _ = try config.number(.midBlockScale, in: 1...1, default: 1)
        _ = try config.number(.resnetScale, in: 1...1, default: 1)
        let flags = try [
            CodingKeys.onlyCrossAttentionInMidBlock, .centersInput, .dualCrossAttention, .activatesSkippedTime,
            .concatenatesClasses,
        ].map { ($0, try config.decodeIfPresent(Bool.self, forKey: $0) ?? false) }
        let perBlock = try config.flags(.onlyCrossAttention).map { (CodingKeys.onlyCrossAttention, $0) }
        for (key, isOn) in flags + perBlock where isOn { throw config.invalid(key, "is not supported") }
        for key in [
            CodingKeys.headCount, .classEmbedding, .classCount, .additionEmbedding, .encoderWidth, .encoderType,
            .crossAttentionNorm, .reversedTransformerLayers, .timeActivation, .timestepActivation, .timeConditionWidth,
        ] where try config.holds(key) {
            throw config.invalid(key, "is not supported")
        }
    }
}

extension KeyedDecodingContainer {
    /// One integer for all of `count` places, or a list of one for each.
    fileprivate func integers(
        _ key: Key,
        count: Int,
        in range: ClosedRange<Int>,
        default value: Int
    ) throws -> [Int] {
        guard try holds(key) else { return Array(repeating: value, count: count) }
        guard let list = try? decode([Int].self, forKey: key) else {
            return Array(repeating: try integer(key, in: range), count: count)
        }
        guard list.count == count, list.allSatisfy(range.contains) else {
            throw invalid(key, "\(list) are not \(count) numbers within \(range.lowerBound)…\(range.upperBound)")
        }
        return list
    }

    /// One flag for all blocks, or a list of one for each.
    fileprivate func flags(_ key: Key) throws -> [Bool] {
        guard try holds(key) else { return [] }
        return try (try? decode([Bool].self, forKey: key)) ?? [decode(Bool.self, forKey: key)]
    }

    /// Which of `count` blocks are of the type with attention.
    fileprivate func attends(_ key: Key, _ count: Int, with: String, without: String) throws -> [Bool] {
        let types = try decode([String].self, forKey: key)
        guard types.count == count, types.allSatisfy([with, without].contains) else {
            throw invalid(key, "expected \(count) blocks, each \(with) or \(without)")
        }
        return types.map { $0 == with }
    }
}
