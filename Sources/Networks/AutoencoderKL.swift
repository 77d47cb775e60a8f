package import Checkpoints
package import Tensors

/// The `config.json` of diffusers' `AutoencoderKL`.
package struct AutoencoderKLConfig: Sendable, Equatable, Decodable {
    package var pictureChannels: Int
    package var latentChannels: Int
    package var blockChannels: [Int]
    package var layersPerBlock: Int
    package var normGroups: Int
    package var hasMidAttention: Bool
    package var hasQuantConvolution: Bool
    package var hasPostQuantConvolution: Bool
    package var scalingFactor: Double
    package var shiftFactor: Double

    /// Pixels a latent position stands for, along each side.
    package var downscaling: Int { 1 << (blockChannels.count - 1) }

    private enum CodingKeys: String, CodingKey {
        case inputChannels = "in_channels"
        case outputChannels = "out_channels"
        case latentChannels = "latent_channels"
        case blockChannels = "block_out_channels"
        case downBlocks = "down_block_types"
        case upBlocks = "up_block_types"
        case layersPerBlock = "layers_per_block"
        case normGroups = "norm_num_groups"
        case activation = "act_fn"
        case hasMidAttention = "mid_block_add_attention"
        case hasQuantConvolution = "use_quant_conv"
        case hasPostQuantConvolution = "use_post_quant_conv"
        case scalingFactor = "scaling_factor"
        case shiftFactor = "shift_factor"
        case latentsMean = "latents_mean"
        case latentsDeviation = "latents_std"
    }

    package init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        pictureChannels = try config.integer(.inputChannels, in: 3...3, default: 3)
        _ = try config.integer(.outputChannels, in: 3...3, default: 3)
        latentChannels = try config.integer(.latentChannels, in: 1...1024, default: 4)
        let blocks = try config.decode([Int].self, forKey: .blockChannels)
        guard (1...8).contains(blocks.count), blocks.allSatisfy((1...65536).contains) else {
            throw config.invalid(.blockChannels, "\(blocks) are not 1 to 8 channel counts")
        }
        blockChannels = blocks
        layersPerBlock = try config.integer(.layersPerBlock, in: 1...64, default: 1)
        let groups = try config.integer(.normGroups, in: .networkSize, default: 32)
        guard blocks.allSatisfy({ $0.isMultiple(of: groups) }) else {
            throw config.invalid(.normGroups, "\(groups) does not divide \(blocks)")
        }
        normGroups = groups
        hasMidAttention = try config.decodeIfPresent(Bool.self, forKey: .hasMidAttention) ?? true
        hasQuantConvolution = try config.decodeIfPresent(Bool.self, forKey: .hasQuantConvolution) ?? true
        hasPostQuantConvolution = try config.decodeIfPresent(Bool.self, forKey: .hasPostQuantConvolution) ?? true
        scalingFactor = try config.number(.scalingFactor, in: 1e-6...1e6, default: 0.18215)
        shiftFactor = try config.number(.shiftFactor, in: -1e6...1e6, default: 0)

        let activation = try config.decodeIfPresent(String.self, forKey: .activation) ?? "silu"
        guard activation == "silu" else {
            throw config.invalid(.activation, "\"\(activation)\" is not supported (silu)")
        }
        for (key, type) in [(CodingKeys.downBlocks, "DownEncoderBlock2D"), (.upBlocks, "UpDecoderBlock2D")] {
            let types = try config.decode([String].self, forKey: key)
            guard types == Array(repeating: type, count: blocks.count) else {
                throw config.invalid(key, "expected \(blocks.count) × \(type)")
            }
        }
        for key in [CodingKeys.latentsMean, .latentsDeviation]
        where try config.holds(key) {
            throw config.invalid(key, "latent statistics are not supported")
        }
    }
}

/// The variational autoencoder of latent diffusion (arXiv 2112.10752): pictures ↔ latents.
///
/// Pictures are [batch, height, width, 3] in −1…1; latents [batch, height / downscaling, width / downscaling, channels],
/// scaled and shifted as the diffusion model expects them.
package struct AutoencoderKL: Sendable {
    package let config: AutoencoderKLConfig
    private let encoder: PictureEncoder
    private let quantConvolution: Convolution?
    private let postQuantConvolution: Convolution?
    private let decoder: PictureDecoder

    /// Attention had other names before diffusers 0.18.
    package static let keys = KeyTable(renamed: [
        (".query.", ".to_q."), (".key.", ".to_k."), (".value.", ".to_v."), (".proj_attn.", ".to_out.0."),
    ])

    package init(_ config: AutoencoderKLConfig, _ reader: ParameterReader) {
        self.config = config
        let latents = config.latentChannels
        encoder = PictureEncoder(config, reader["encoder"])
        quantConvolution =
            config.hasQuantConvolution ? Convolution(reader["quant_conv"], 2 * latents, 2 * latents, kernel: 1) : nil
        postQuantConvolution =
            config.hasPostQuantConvolution ? Convolution(reader["post_quant_conv"], latents, latents, kernel: 1) : nil
        decoder = PictureDecoder(config, reader["decoder"])
    }

    /// The posterior's mode for pictures whose sides are multiples of the downscaling.
    package func encode(_ pictures: Tensor) -> Tensor {
        let encoded = encoder(pictures)
        let moments = quantConvolution?(encoded) ?? encoded  // [batch, height, width, mean ‖ log variance]
        let latents = moments.channels(0..<config.latentChannels)
        return latents.shifted(by: -config.shiftFactor).scaled(by: Float(config.scalingFactor))
    }

    /// Latents → pictures; `tiled` takes those above 512 pixels a side through the decoder's upper half in tiles.
    package func decode(_ latents: Tensor, tiled: Bool = true) -> Tensor {
        let unscaled = latents.scaled(by: Float(1 / config.scalingFactor)).shifted(by: config.shiftFactor)
        let hidden = decoder.begin(postQuantConvolution?(unscaled) ?? unscaled)
        let tiling = LatentTiling(downscaling: config.downscaling)
        return tiled && tiling.covers(hidden.shape) ? tiling.map(hidden, decoder.finish) : decoder.finish(hidden)
    }
}

extension AutoencoderKLConfig {
    /// diffusers fixes the epsilon of this network's norms.
    fileprivate var blocks: BlockConfig { BlockConfig(groups: normGroups, epsilon: 1e-6, timeWidth: nil) }

    fileprivate func midBlock(_ reader: ParameterReader, _ channels: Int) -> MidBlock {
        MidBlock(
            blocks,
            reader["mid_block"],
            channels,
            attention: hasMidAttention
                ? { SpatialAttention(blocks, $0, channels: channels, headWidth: channels) } : nil
        )
    }
}

/// [batch, height, width, 3] → [batch, height / downscaling, width / downscaling, 2 × latent channels]
private struct PictureEncoder: Sendable {
    private let convIn: Convolution
    private let downBlocks: [DownBlock]
    private let midBlock: MidBlock
    private let normOut: GroupNorm
    private let convOut: Convolution

    init(_ config: AutoencoderKLConfig, _ reader: ParameterReader) {
        let channels = config.blockChannels
        let (first, last) = (channels[0], channels[channels.count - 1])
        convIn = Convolution(reader["conv_in"], config.pictureChannels, first, kernel: 3)
        downBlocks = channels.indices.map { block in
            DownBlock(
                config.blocks,
                reader["down_blocks"][block],
                block == 0 ? first : channels[block - 1],
                channels[block],
                layers: config.layersPerBlock,
                downsampling: block < channels.count - 1 ? .rightBottom : nil
            )
        }
        midBlock = config.midBlock(reader, last)
        normOut = GroupNorm(reader["conv_norm_out"], groups: config.normGroups, channels: last, epsilon: 1e-6)
        convOut = Convolution(reader["conv_out"], last, 2 * config.latentChannels, kernel: 3)
    }

    func callAsFunction(_ pictures: Tensor) -> Tensor {
        let down = downBlocks.reduce(convIn(pictures)) { hidden, block in block(hidden) }
        return convOut(normOut(midBlock(down), activation: .silu))
    }
}

/// [batch, height, width, latent channels] → [batch, height × downscaling, width × downscaling, 3]
private struct PictureDecoder: Sendable {
    private let convIn: Convolution
    private let midBlock: MidBlock
    private let upBlocks: [UpBlock]
    private let normOut: GroupNorm
    private let convOut: Convolution

    init(_ config: AutoencoderKLConfig, _ reader: ParameterReader) {
        let channels = Array(config.blockChannels.reversed())
        let (first, last) = (channels[0], channels[channels.count - 1])
        convIn = Convolution(reader["conv_in"], config.latentChannels, first, kernel: 3)
        midBlock = config.midBlock(reader, first)
        upBlocks = channels.indices.map { block in
            UpBlock(
                config.blocks,
                reader["up_blocks"][block],
                block == 0 ? first : channels[block - 1],
                channels[block],
                skips: Array(repeating: 0, count: config.layersPerBlock + 1),
                upsamples: block < channels.count - 1
            )
        }
        normOut = GroupNorm(reader["conv_norm_out"], groups: config.normGroups, channels: last, epsilon: 1e-6)
        convOut = Convolution(reader["conv_out"], last, config.pictureChannels, kernel: 3)
    }

    /// At the latents' size: the part that looks at the whole picture. → [batch, height, width, channels]
    func begin(_ latents: Tensor) -> Tensor {
        midBlock(convIn(latents))
    }

    /// From there to pixels: the part whose memory grows with the picture.
    func finish(_ hidden: Tensor) -> Tensor {
        var up = hidden
        for block in upBlocks { up = block(consume up) }
        return convOut(up, normalization: normOut.moments(of: up, activation: .silu))
    }
}

extension Tensor {
    /// Adds one number to every element of [batch, …, channels].
    fileprivate func shifted(by shift: Double) -> Tensor {
        guard shift != 0 else { return self }
        let rows = shape[0] * shape[shape.count - 1]
        return addedToRows(
            Tensor(Array(repeating: Float(shift), count: rows), shape: [shape[0], shape[shape.count - 1]])
        )
    }
}
