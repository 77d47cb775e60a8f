package import Checkpoints
package import Tensors

/// The denoiser of latent diffusion (arXiv 2112.10752), diffusers' `UNet2DConditionModel`: noisy latents, a timestep and
/// a condition → the predicted noise or velocity.
///
/// Latents are [batch, height, width, channels] of any size; what comes out for one item does not depend on its
/// neighbours in the batch.
package struct UNet2DCondition: Sendable {
    package let config: UNet2DConditionConfig
    private let timeEmbedding: TimestepEmbedding
    private let convIn: Convolution
    private let downBlocks: [DownBlock]
    private let midBlock: MidBlock
    private let upBlocks: [UpBlock]
    private let normOut: GroupNorm
    private let convOut: Convolution
    /// Those of all blocks, by the index they were built with.
    private let transformers: [SpatialTransformer]

    package init(_ config: UNet2DConditionConfig, _ reader: ParameterReader) {
        let (first, last) = (config.blocks[0], config.blocks[config.blocks.count - 1])
        let blocks = BlockConfig(groups: config.normGroups, epsilon: config.normEpsilon, timeWidth: config.timeWidth)
        var transformers: [SpatialTransformer] = []
        func attention(_ block: UNet2DConditionConfig.Block) -> (ParameterReader) -> any AttentionLayer {
            { reader in
                let transformer = SpatialTransformer(
                    blocks,
                    TransformerConfig(
                        heads: block.heads,
                        depth: block.transformerDepth,
                        conditionWidth: config.conditionWidth,
                        projectsLinearly: config.projectsLinearly
                    ),
                    reader,
                    channels: block.channels,
                    index: transformers.count
                )
                transformers.append(transformer)
                return transformer
            }
        }

        self.config = config
        timeEmbedding = TimestepEmbedding(reader["time_embedding"], config.timeSinusoid, width: config.timeWidth)
        convIn = Convolution(reader["conv_in"], config.inputChannels, first.channels, kernel: 3)
        var (channels, skips) = (first.channels, [first.channels])
        downBlocks = config.blocks.enumerated().map { index, block in
            let downsamples = index < config.blocks.count - 1
            defer { channels = block.channels }
            skips += Array(repeating: block.channels, count: downsamples ? block.layers + 1 : block.layers)
            return DownBlock(
                blocks,
                reader["down_blocks"][index],
                channels,
                block.channels,
                layers: block.layers,
                downsampling: downsamples ? .padded : nil,
                attention: block.attendsDown ? attention(block) : nil
            )
        }
        midBlock = MidBlock(blocks, reader["mid_block"], last.channels, attention: attention(last))
        upBlocks = config.blocks.reversed().enumerated().map { index, block in
            let taken = Array(skips.suffix(block.layers + 1).reversed())
            defer { channels = block.channels }
            skips.removeLast(taken.count)
            return UpBlock(
                blocks,
                reader["up_blocks"][index],
                channels,
                block.channels,
                skips: taken,
                upsamples: index < config.blocks.count - 1,
                attention: block.attendsUp ? attention(block) : nil
            )
        }
        normOut = GroupNorm(
            reader["conv_norm_out"],
            groups: config.normGroups,
            channels: first.channels,
            epsilon: config.normEpsilon
        )
        convOut = Convolution(reader["conv_out"], first.channels, config.outputChannels, kernel: 3)
        self.transformers = transformers
    }

    /// Keys and values of conditions [items, tokens, conditionWidth], for every step of a run.
    package func keyValues(of conditions: Tensor) -> ConditionKeyValues {
        ConditionKeyValues(transformers.map { $0.keyValues(of: conditions) }, count: conditions.shape[0])
    }

    /// [batch, height, width, inputChannels] → [batch, height, width, outputChannels]
    /// - Parameters:
    ///   - timesteps: one an item
    ///   - condition: one an item
    package func callAsFunction(_ latents: Tensor, timesteps: [Float], condition: ConditionKeyValues) -> Tensor {
        precondition(
            timesteps.count == latents.shape[0] && condition.count == latents.shape[0],
            "\(timesteps.count) timesteps and \(condition.count) conditions for \(latents.shape)"
        )
        let time = timeEmbedding(timesteps).activated(.silu)
        let start = convIn(latents)  // [batch, height, width, channels of the first block]
        var skips = [start]
        let down = downBlocks.reduce(start) { hidden, block in
            block(hidden, time: time, condition: condition) { skips.append($0) }
        }
        var hidden = midBlock(down, time: time, condition: condition)
        for (block, layers) in zip(upBlocks, config.blocks.reversed().map(\.layers)) {
            let next = skips.dropLast(layers + 1).last
            hidden = block(consume hidden, time: time, condition: condition, next: next) { skips.popLast() }
        }  // [batch, height, width, channels of the first block]
        return convOut(hidden, normalization: normOut.moments(of: hidden, activation: .silu))
    }
}
