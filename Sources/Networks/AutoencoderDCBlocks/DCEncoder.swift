import Checkpoints
import Tensors

/// [batch, height, width, 3] → [batch, height / downscaling, width / downscaling, latent channels]
struct DCEncoder: Sendable {
    private let begin: Beginning
    let stages: [Stage]
    private let convOut: Convolution
    private let latentChannels: Int

    /// The pictures' own resolution has layers or is left behind at once.
    private enum Beginning: Sendable {
        case convolution(Convolution)
        case downsampling(DCDownBlock)
    }

    /// Layers of one resolution, and the way to the next.
    struct Stage: Sendable {
        fileprivate let layers: [any DCLayer]
        fileprivate let downsampler: DCDownBlock?

        func callAsFunction(_ x: consuming Tensor) -> Tensor {
            var hidden = consume x
            for layer in layers { hidden = layer(consume hidden) }
            return downsampler?(hidden) ?? hidden
        }
    }

    init(_ config: AutoencoderDCConfig, _ reader: ParameterReader) {
        let stages = config.encoder
        let last = stages[stages.count - 1].channels
        func downBlock(_ reader: ParameterReader, _ inputs: Int, _ outputs: Int, hasShortcut: Bool) -> DCDownBlock {
            DCDownBlock(reader, inputs, outputs, config.downsampling, hasShortcut: hasShortcut)
        }
        begin =
            stages[0].layers > 0
            ? .convolution(Convolution(reader["conv_in"], config.pictureChannels, stages[0].channels, kernel: 3))
            : .downsampling(
                downBlock(reader["conv_in"], config.pictureChannels, stages[1].channels, hasShortcut: false)
            )
        self.stages = stages.indices.map { index in
            let (stage, block) = (stages[index], reader["down_blocks"][index])
            let downsamples = index < stages.count - 1 && stage.layers > 0
            return Stage(
                layers: (0..<stage.layers).map { config.layer(stage, block[$0]) },
                downsampler: downsamples
                    ? downBlock(block[stage.layers], stage.channels, stages[index + 1].channels, hasShortcut: true)
                    : nil
            )
        }
        convOut = Convolution(reader["conv_out"], last, config.latentChannels, kernel: 3)
        latentChannels = config.latentChannels
    }

    func callAsFunction(_ pictures: Tensor) -> Tensor {
        var hidden = start(pictures)
        for stage in stages { hidden = stage(consume hidden) }
        return convOut(hidden, adding: hidden.channelMeans(latentChannels))
    }

    func start(_ pictures: Tensor) -> Tensor {
        switch begin {
        case .convolution(let convolution): convolution(pictures)
        case .downsampling(let downsampler): downsampler(pictures)
        }
    }
}

extension Tensor {
    /// The means of equal numbers of neighbouring channels: […, c] → […, count].
    fileprivate func channelMeans(_ count: Int) -> Tensor {
        let group = shape[shape.count - 1] / count
        let means = withUnsafeBufferPointer { values in
            stride(from: 0, to: values.count, by: group).map { start in
                values[start..<start + group].reduce(0, +) / Float(group)
            }
        }
        return Tensor(means, shape: shape.dropLast() + [count])
    }
}
