import Checkpoints
package import Tensors

/// The `config.json` of diffusers' `AutoencoderDC`.
///
/// Settings that change the arithmetic and are not supported are errors that name them. Missing ones take the defaults of
/// diffusers.
package struct AutoencoderDCConfig: Sendable, Equatable, Decodable {
    /// What stands at one resolution of the encoder or the decoder.
    package struct Stage: Sendable, Equatable {
        package enum Block: String, Sendable {
            /// Two convolutions: sees neighbours.
            case residual = "ResBlock"
            /// Linear attention, then a gated convolution: sees the whole picture.
            case efficientViT = "EfficientViTBlock"
        }

        package enum Norm: String, Sendable {
            case rms = "rms_norm"
            case batch = "batch_norm"
        }

        package var channels: Int
        /// 0 in the first stage of those that leave the pictures' own resolution out.
        package var layers: Int
        package var block: Block
        /// Kernels of the convolutions whose outputs attention sees beside its input's.
        package var attentionKernels: [Int]
        package var norm: Norm
        /// Of residual blocks.
        package var activation: Activation
    }

    package enum Downsampling: Sendable {
        /// By the stride of a convolution.
        case strided
        /// By a convolution to a quarter of the channels, and squares of pixels as channels.
        case pixelUnshuffle
    }

    package enum Upsampling: Sendable {
        /// Every pixel four times, then a convolution.
        case interpolation
        /// By a convolution to four times the channels, and channels as squares of pixels.
        case pixelShuffle
    }

    package var pictureChannels: Int
    package var latentChannels: Int
    package var attentionHeadWidth: Int
    /// From the pictures' resolution to the latents'.
    package var encoder: [Stage]
    package var decoder: [Stage]
    package var downsampling: Downsampling
    package var upsampling: Upsampling
    package var scalingFactor: Double

    /// Pixels a latent position stands for, along each side.
    package var downscaling: Int { 1 << (encoder.count - 1) }

    enum CodingKeys: String, CodingKey {
        case inputChannels = "in_channels"
        case latentChannels = "latent_channels"
        case attentionHeadWidth = "attention_head_dim"
        case encoderChannels = "encoder_block_out_channels"
        case encoderBlocks = "encoder_block_types"
        case encoderLayers = "encoder_layers_per_block"
        case encoderKernels = "encoder_qkv_multiscales"
        case decoderChannels = "decoder_block_out_channels"
        case decoderBlocks = "decoder_block_types"
        case decoderLayers = "decoder_layers_per_block"
        case decoderKernels = "decoder_qkv_multiscales"
        case decoderNorms = "decoder_norm_types"
        case decoderActivations = "decoder_act_fns"
        case downsampling = "downsample_block_type"
        case upsampling = "upsample_block_type"
        case scalingFactor = "scaling_factor"

        // Supported at one value only.
        case encoderShortcut = "encoder_out_shortcut"
        case decoderShortcut = "decoder_in_shortcut"
        case lastActivation = "decoder_conv_act_fn"
    }

    package init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        pictureChannels = try config.integer(.inputChannels, in: 3...3, default: 3)
        latentChannels = try config.integer(.latentChannels, in: 1...1024, default: 32)
        attentionHeadWidth = try config.integer(.attentionHeadWidth, in: 1...65536, default: 32)
        scalingFactor = try config.number(.scalingFactor, in: 1e-6...1e6, default: 1)
        downsampling = try config.choice(
            .downsampling,
            ["pixel_unshuffle": .pixelUnshuffle, "conv": .strided],
            default: "pixel_unshuffle"
        )
        upsampling = try config.choice(
            .upsampling,
            ["pixel_shuffle": .pixelShuffle, "interpolate": .interpolation],
            default: "pixel_shuffle"
        )
        encoder = try config.encoderStages()
        self.decoder = try config.decoderStages()
        try checkResolutions(config)
        try checkChannels(config)
        for key in [CodingKeys.encoderShortcut, .decoderShortcut]
        where try config.decodeIfPresent(Bool.self, forKey: key) == false {
            throw config.invalid(key, "a network without this shortcut is not supported")
        }
        let last = try config.decodeIfPresent(String.self, forKey: .lastActivation) ?? "relu"
        guard last == "relu" else { throw config.invalid(.lastActivation, "\"\(last)\" is not supported (relu)") }
    }

    private func checkResolutions(_ config: KeyedDecodingContainer<CodingKeys>) throws {
        guard encoder.count == self.decoder.count else {
            throw config.invalid(.decoderChannels, "\(self.decoder.count) stages, but the encoder has \(encoder.count)")
        }
        for (stages, key) in [(encoder, CodingKeys.encoderLayers), (self.decoder, .decoderLayers)]
        where stages.dropFirst().contains(where: { $0.layers == 0 }) {
            throw config.invalid(key, "only the first stage may be without layers")
        }
    }

    /// Shortcuts average or repeat neighbouring channels, so that their numbers must go into each other.
    private func checkChannels(_ config: KeyedDecodingContainer<CodingKeys>) throws {
        for (stages, key) in [(encoder, CodingKeys.encoderChannels), (self.decoder, .decoderChannels)] {
            let channels = stages.map(\.channels)
            guard let last = channels.last, last.isMultiple(of: latentChannels) else {
                throw config.invalid(.latentChannels, "\(latentChannels) don't divide the last of \(channels) channels")
            }
            let usesSquares = key == .encoderChannels && downsampling == .pixelUnshuffle
            for (upper, lower) in zip(channels, channels.dropFirst()) {
                guard (4 * upper).isMultiple(of: lower), !usesSquares || lower.isMultiple(of: 4) else {
                    throw config.invalid(key, "\(upper) channels can't become \(lower)")
                }
            }
            for stage in stages where stage.block == .efficientViT && stage.channels < attentionHeadWidth {
                throw config.invalid(
                    .attentionHeadWidth,
                    "\(attentionHeadWidth) is more than \(stage.channels) channels"
                )
            }
        }
    }
}

extension KeyedDecodingContainer<AutoencoderDCConfig.CodingKeys> {
    fileprivate func encoderStages() throws -> [AutoencoderDCConfig.Stage] {
        let stages = try channels(.encoderChannels).map { channels in
            // diffusers fixes norms and activations of the encoder.
            AutoencoderDCConfig.Stage(
                channels: channels,
                layers: 0,
                block: .residual,
                attentionKernels: [],
                norm: .rms,
                activation: .silu
            )
        }
        return try filled(
            stages,
            layers: .encoderLayers,
            defaultLayers: [2, 2, 2, 3, 3, 3],
            blocks: .encoderBlocks,
            kernels: .encoderKernels
        )
    }

    fileprivate func decoderStages() throws -> [AutoencoderDCConfig.Stage] {
        let channels = try channels(.decoderChannels)
        let norms = try names(.decoderNorms, count: channels.count, default: "rms_norm").map { name in
            guard let norm = AutoencoderDCConfig.Stage.Norm(rawValue: name) else {
                throw invalid(.decoderNorms, "\"\(name)\" is not supported (rms_norm, batch_norm)")
            }
            return norm
        }
        let activations = try names(.decoderActivations, count: channels.count, default: "silu").map { name in
            let known: [String: Activation] = ["silu": .silu, "swish": .silu, "relu": .relu, "gelu": .gelu]
            guard let activation = known[name.lowercased()] else {
                throw invalid(.decoderActivations, "\"\(name)\" is not supported (silu, swish, relu, gelu)")
            }
            return activation
        }
        let stages = channels.indices.map { index in
            AutoencoderDCConfig.Stage(
                channels: channels[index],
                layers: 0,
                block: .residual,
                attentionKernels: [],
                norm: norms[index],
                activation: activations[index]
            )
        }
        return try filled(
            stages,
            layers: .decoderLayers,
            defaultLayers: [3, 3, 3, 3, 3, 3],
            blocks: .decoderBlocks,
            kernels: .decoderKernels
        )
    }

    private func channels(_ key: Key) throws -> [Int] {
        let channels = try decodeIfPresent([Int].self, forKey: key) ?? [128, 256, 512, 512, 1024, 1024]
        guard (2...8).contains(channels.count), channels.allSatisfy((1...65536).contains) else {
            throw invalid(key, "\(channels) are not 2 to 8 channel counts")
        }
        return channels
    }

    private func filled(
        _ stages: [AutoencoderDCConfig.Stage],
        layers: Key,
        defaultLayers: [Int],
        blocks: Key,
        kernels: Key
    ) throws -> [AutoencoderDCConfig.Stage] {
        let counts = try decodeIfPresent([Int].self, forKey: layers) ?? defaultLayers
        guard counts.count == stages.count, counts.allSatisfy((0...64).contains) else {
            throw invalid(layers, "\(counts) are not \(stages.count) numbers of layers")
        }
        let kinds = try names(blocks, count: stages.count, default: "ResBlock").map { name in
            guard let kind = AutoencoderDCConfig.Stage.Block(rawValue: name) else {
                throw invalid(blocks, "\"\(name)\" is not supported (ResBlock, EfficientViTBlock)")
            }
            return kind
        }
        let sizes = try decodeIfPresent([[Int]].self, forKey: kernels) ?? [[], [], [], [5], [5], [5]]
        guard sizes.count == stages.count, sizes.allSatisfy({ $0.allSatisfy { (1...31).contains($0) && $0 % 2 == 1 } })
        else {
            throw invalid(kernels, "\(sizes) are not \(stages.count) lists of odd kernels")
        }
        return stages.indices.map { index in
            var stage = stages[index]
            (stage.layers, stage.block) = (counts[index], kinds[index])
            stage.attentionKernels = stage.block == .efficientViT ? sizes[index] : []
            return stage
        }
    }

    /// One name for all stages, or a list of one for each.
    private func names(_ key: Key, count: Int, default name: String) throws -> [String] {
        guard try holds(key) else { return Array(repeating: name, count: count) }
        guard let list = try? decode([String].self, forKey: key) else {
            return Array(repeating: try decode(String.self, forKey: key), count: count)
        }
        guard list.count == count else { throw invalid(key, "\(list) are not \(count) names") }
        return list
    }

    /// What a name stands for, in any case.
    fileprivate func choice<Value>(_ key: Key, _ values: [String: Value], default name: String) throws -> Value {
        let found = try decodeIfPresent(String.self, forKey: key) ?? name
        guard let value = values[found.lowercased()] else {
            throw invalid(key, "\"\(found)\" is not supported (\(values.keys.sorted().joined(separator: ", ")))")
        }
        return value
    }
}
