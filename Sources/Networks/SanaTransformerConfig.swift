import Checkpoints

/// The `config.json` of diffusers' `SanaTransformer2DModel`, as Sana 1.0 and 1.5 configure it.
///
/// Settings that change the arithmetic and are not supported are errors that name them. Those without effect here are
/// not read: `dropout`, and `guidance_embeds_scale` where there are no guidance embeddings.
package struct SanaTransformerConfig: Sendable, Equatable, Decodable {
    package var inputChannels: Int
    package var outputChannels: Int
    /// Of the linear attention among positions.
    package var heads: Int
    package var headWidth: Int
    /// Of the attention to the condition.
    package var crossHeads: Int
    package var layers: Int
    /// Width of the condition's tokens.
    package var captionWidth: Int
    /// Width of each of the feed-forward layer's two hidden layers.
    package var feedForwardWidth: Int
    package var hasAttentionBias: Bool
    /// Latent positions along each side at which the network was trained.
    package var sampleSize: Int
    /// Latent positions along each side that become one row.
    package var patchSize: Int
    package var normEpsilon: Double

    /// Width of a row.
    package var width: Int { heads * headWidth }

    private enum CodingKeys: String, CodingKey {
        case inputChannels = "in_channels"
        case outputChannels = "out_channels"
        case heads = "num_attention_heads"
        case headWidth = "attention_head_dim"
        case crossHeads = "num_cross_attention_heads"
        case crossHeadWidth = "cross_attention_head_dim"
        case crossWidth = "cross_attention_dim"
        case layers = "num_layers"
        case captionWidth = "caption_channels"
        case feedForwardRatio = "mlp_ratio"
        case hasAttentionBias = "attention_bias"
        case sampleSize = "sample_size"
        case patchSize = "patch_size"
        case normEpsilon = "norm_eps"

        // Supported at one value only.
        case hasAffineNorms = "norm_elementwise_affine"
        case hasGuidanceEmbedding = "guidance_embeds"
        case timestepScale = "timestep_scale"

        // Supported only where absent.
        case positionScale = "interpolation_scale"
        case queryKeyNorm = "qk_norm"
    }

    package init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        try Self.refuseUnsupported(config)
        inputChannels = try config.integer(.inputChannels, in: 1...1024, default: 32)
        outputChannels = try config.integer(.outputChannels, in: 1...1024, default: inputChannels)
        heads = try config.integer(.heads, in: 1...65536, default: 70)
        headWidth = try config.integer(.headWidth, in: 1...65536, default: 32)
        layers = try config.integer(.layers, in: 1...4096, default: 20)
        captionWidth = try config.integer(.captionWidth, in: .networkSize, default: 2304)
        hasAttentionBias = try config.decodeIfPresent(Bool.self, forKey: .hasAttentionBias) ?? false
        sampleSize = try config.integer(.sampleSize, in: 1...4096, default: 32)
        patchSize = try config.integer(.patchSize, in: 1...64, default: 1)
        normEpsilon = try config.number(.normEpsilon, in: 0...1, default: 1e-6)

        let width = heads * headWidth
        guard ClosedRange.networkSize.contains(width) else {
            throw config.invalid(.heads, "\(heads) heads of width \(headWidth) are more than a network can have")
        }
        let ratio = try config.number(.feedForwardRatio, in: 0...1024, default: 2.5)
        feedForwardWidth = Int(ratio * Double(width))
        guard ClosedRange.networkSize.contains(feedForwardWidth) else {
            throw config.invalid(.feedForwardRatio, "\(ratio) × \(width) is not the width of a layer")
        }

        crossHeads = try config.integer(.crossHeads, in: 1...65536, default: 20)
        let crossHeadWidth = try config.integer(.crossHeadWidth, in: 1...65536, default: 112)
        guard crossHeads * crossHeadWidth == width else {
            throw config.invalid(
                .crossHeads,
                "\(crossHeads) heads of width \(crossHeadWidth) are not as wide as the network (\(width))"
            )
        }
        // The projected condition has the network's width.
        let crossWidth = try config.integer(.crossWidth, in: .networkSize, default: 2240)
        guard crossWidth == width else {
            throw config.invalid(.crossWidth, "\(crossWidth) is not the width of the network (\(width))")
        }
    }

    private static func refuseUnsupported(_ config: KeyedDecodingContainer<CodingKeys>) throws {
        for key in [CodingKeys.hasAffineNorms, .hasGuidanceEmbedding]
        where try config.decodeIfPresent(Bool.self, forKey: key) ?? false {
            throw config.invalid(key, "is not supported")
        }
        for key in [CodingKeys.positionScale, .queryKeyNorm] where try config.holds(key) {
            throw config.invalid(key, "is not supported")
        }
        // A null here would leave the attention to the condition out.
        if config.contains(.crossWidth), try !config.holds(.crossWidth) {
            throw config.invalid(.crossWidth, "a network without a condition is not supported")
        }
        _ = try config.number(.timestepScale, in: 1...1, default: 1)
    }
}
