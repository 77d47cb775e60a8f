import Checkpoints
import Tensors

/// The `image_config` of a LlamaFusion checkpoint.
package struct PatchifierConfig: Sendable, Equatable, Decodable {
    package enum Kind: String, Sendable, Decodable {
        case unet, linear
    }

    package var kind: Kind
    package var latentChannels: Int
    /// Latent positions a side.
    package var latentSize: Int
    /// Latent positions a token stands for, along each side.
    package var patchSize: Int
    package var blockChannels: [Int]
    package var layersPerBlock: Int
    package var normGroups: Int
    package var attentionHeadWidth: Int

    /// Tokens a side.
    package var gridSize: Int { latentSize / patchSize }
    package var tokens: Int { gridSize * gridSize }

    private enum CodingKeys: String, CodingKey {
        case kind = "patchifier"
        case latentChannels = "latent_channels"
        case latentSize = "latent_size"
        case patchSize = "patch_size"
        case blockChannels = "block_out_channels"
        case layersPerBlock = "layers_per_block"
        case normGroups = "norm_num_groups"
        case attentionHeadWidth = "attention_head_dim"
    }

    package init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        kind = try config.decode(Kind.self, forKey: .kind)
        latentChannels = try config.integer(.latentChannels, in: 1...1024)
        let size = try config.integer(.latentSize, in: 1...4096)
        patchSize = try config.integer(.patchSize, in: 1...64)
        guard size.isMultiple(of: patchSize) else {
            throw config.invalid(.patchSize, "does not divide latent_size \(size)")
        }
        latentSize = size
        guard kind == .unet else {
            (blockChannels, layersPerBlock, normGroups, attentionHeadWidth) = ([], 0, 1, 1)
            return
        }
        let blocks = try config.decode([Int].self, forKey: .blockChannels)
        guard (1...6).contains(blocks.count), blocks.allSatisfy((1...65536).contains) else {
            throw config.invalid(.blockChannels, "\(blocks) are not 1 to 6 channel counts")
        }
        guard blocks[0].isMultiple(of: 2) else {
            throw config.invalid(.blockChannels, "\(blocks[0]) is odd: a timestep is half sines and half cosines")
        }
        guard patchSize == 1 << (blocks.count - 1) else {
            throw config.invalid(.patchSize, "\(blocks.count) blocks make patches of \(1 << (blocks.count - 1))")
        }
        blockChannels = blocks
        layersPerBlock = try config.integer(.layersPerBlock, in: 1...64, default: 2)
        let groups = try config.integer(.normGroups, in: .networkSize, default: 32)
        guard blocks.allSatisfy({ $0.isMultiple(of: groups) }) else {
            throw config.invalid(.normGroups, "\(groups) does not divide \(blocks)")
        }
        normGroups = groups
        let headWidth = try config.integer(.attentionHeadWidth, in: .networkSize, default: 8)
        guard blocks[blocks.count - 1].isMultiple(of: headWidth) else {
            throw config.invalid(.attentionHeadWidth, "\(headWidth) does not divide \(blocks[blocks.count - 1])")
        }
        attentionHeadWidth = headWidth
    }
}

/// Turns noisy latents into image tokens and the decoder's answer into predicted noise.
protocol Patchifier: Sendable {
    /// [batch, size, size, channels] and one timestep an item → [batch, tokens, width]
    func patchify(_ latents: Tensor, timesteps: [Float]) -> PatchedImage

    /// [batch, tokens, width] of the decoder → noise [batch, size, size, channels]
    func unpatchify(_ hidden: Tensor, of image: PatchedImage) -> Tensor
}

/// Image tokens, and what the way back to latents needs.
struct PatchedImage: Sendable {
    /// [batch, tokens, width]
    var tokens: Tensor
    /// SiLU of the time embedding, [batch, timeWidth]
    var time: Tensor?
    /// Outputs of the down half.
    var skips: [Tensor] = []

    /// The whole batch, once for every guidance branch.
    func repeated(_ count: Int) -> PatchedImage {
        PatchedImage(
            tokens: tokens.repeated(count),
            time: time?.repeated(count),
            skips: skips.map { $0.repeated(count) }
        )
    }
}

/// The halves of diffusers' `UNet2DModel`, with the decoder where its mid block stood (Transfusion, arXiv 2408.11039).
struct UNetPatchifier: Patchifier {
    private let grid: Int
    private let timeEmbedding: TimestepEmbedding
    private let convIn: Convolution
    private let downBlocks: [DownBlock]
    private let projectionIn: Convolution
    private let projectionOut: Convolution
    private let upBlocks: [UpBlock]
    private let normOut: GroupNorm
    private let convOut: Convolution

    init(_ config: PatchifierConfig, width: Int, _ reader: ParameterReader) {
        let channels = config.blockChannels
        let (first, last) = (channels[0], channels[channels.count - 1])
        let timeWidth = 4 * first
        let blocks = BlockConfig(groups: config.normGroups, epsilon: 1e-5, timeWidth: timeWidth)
        let layers = config.layersPerBlock
        // Attention at the lowest resolution only: DownBlock2D …, AttnDownBlock2D, AttnUpBlock2D, UpBlock2D ….
        func attention(_ block: Int) -> ((ParameterReader) -> any AttentionLayer)? {
            guard block == channels.count - 1 else { return nil }
            return { SpatialAttention(blocks, $0, channels: last, headWidth: config.attentionHeadWidth) }
        }

        grid = config.gridSize
        timeEmbedding = TimestepEmbedding(reader["time_embedding"], sinusoid: first, width: timeWidth)
        convIn = Convolution(reader["conv_in"], config.latentChannels, first, kernel: 3)
        var skips = [first]
        downBlocks = channels.indices.map { block in
            let downsamples = block < channels.count - 1
            skips += Array(repeating: channels[block], count: downsamples ? layers + 1 : layers)
            return DownBlock(
                blocks,
                reader["down_blocks"][block],
                block == 0 ? first : channels[block - 1],
                channels[block],
                layers: layers,
                downsampling: downsamples ? .padded : nil,
                attention: attention(block)
            )
        }
        projectionIn = Convolution(reader["proj_in"], last, width, kernel: 1)
        projectionOut = Convolution(reader["proj_out"], 2 * width, last, kernel: 1)
        upBlocks = channels.indices.reversed().map { block in
            let taken = Array(skips.suffix(layers + 1).reversed())
            skips.removeLast(layers + 1)
            return UpBlock(
                blocks,
                reader["up_blocks"][channels.count - 1 - block],
                block == channels.count - 1 ? last : channels[block + 1],
                channels[block],
                skips: taken,
                upsamples: block > 0,
                attention: attention(block)
            )
        }
        normOut = GroupNorm(reader["conv_norm_out"], groups: config.normGroups, channels: first, epsilon: 1e-5)
        convOut = Convolution(reader["conv_out"], first, config.latentChannels, kernel: 3)
    }

    func patchify(_ latents: Tensor, timesteps: [Float]) -> PatchedImage {
        let time = timeEmbedding(timesteps).activated(.silu)
        let start = convIn(latents)  // [batch, size, size, c0]
        var skips = [start]
        let down = downBlocks.reduce(start) { hidden, block in
            block(hidden, time: time) { skips.append($0) }
        }  // [batch, grid, grid, c-last]
        let tokens = projectionIn(down)  // [batch, grid, grid, width]
        let (batch, width) = (tokens.shape[0], tokens.shape[3])
        return PatchedImage(tokens: tokens.reshaped([batch, grid * grid, width]), time: time, skips: skips)
    }

    func unpatchify(_ hidden: Tensor, of image: PatchedImage) -> Tensor {
        let (batch, width) = (hidden.shape[0], hidden.shape[2])
        let joined = Tensor.concatenated([hidden, image.tokens], axis: 2)  // [batch, tokens, 2 × width]
        var skips = image.skips
        let up = upBlocks.reduce(projectionOut(joined.reshaped([batch, grid, grid, 2 * width]))) { hidden, block in
            block(hidden, time: image.time) { skips.popLast() }
        }  // [batch, size, size, c0]
        return convOut(normOut(up, activation: .silu))
    }
}

/// Each patch flattened (row, column, channel) and shifted by time, a linear layer in, a linear layer out.
struct LinearPatchifier: Patchifier {
    private let config: PatchifierConfig
    private let timeEmbedding: TimestepEmbedding
    private let projectionIn: Linear
    private let projectionOut: Linear

    init(_ config: PatchifierConfig, width: Int, _ reader: ParameterReader) {
        let patch = config.patchSize * config.patchSize * config.latentChannels
        self.config = config
        timeEmbedding = TimestepEmbedding(reader["time_embedding"], sinusoid: 256, width: patch)
        projectionIn = Linear(reader["proj_in"], patch, width)
        projectionOut = Linear(reader["proj_out"], width, patch)
    }

    func patchify(_ latents: Tensor, timesteps: [Float]) -> PatchedImage {
        let (batch, grid, side) = (latents.shape[0], config.gridSize, config.patchSize)
        let patches =
            latents
            .reshaped([batch, grid, side, grid, side, config.latentChannels])
            .permuted([0, 1, 3, 2, 4, 5])  // [batch, grid, grid, row, column, channel]
            .reshaped([batch, grid * grid, side * side * config.latentChannels])
        return PatchedImage(tokens: projectionIn(patches.addedToRows(timeEmbedding(timesteps))))
    }

    func unpatchify(_ hidden: Tensor, of image: PatchedImage) -> Tensor {
        let (batch, grid, side) = (hidden.shape[0], config.gridSize, config.patchSize)
        return projectionOut(hidden)
            .reshaped([batch, grid, grid, side, side, config.latentChannels])
            .permuted([0, 1, 3, 2, 4, 5])  // [batch, grid, row, grid, column, channel]
            .reshaped([batch, config.latentSize, config.latentSize, config.latentChannels])
    }
}
