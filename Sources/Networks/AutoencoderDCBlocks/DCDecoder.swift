import Checkpoints
import Tensors

/// [batch, height, width, latent channels] → [batch, height × downscaling, width × downscaling, 3]
struct DCDecoder: Sendable {
    private let convIn: Convolution
    private let repeats: Int
    /// From the latents' resolution to the pictures'.
    let stages: [Stage]
    /// How many of them look at the whole picture.
    private let wholeStages: Int
    private let normWeight: Tensor
    private let normBias: Tensor
    private let end: Ending

    /// The pictures' own resolution has layers or is reached at last.
    private enum Ending: Sendable {
        case convolution(Convolution)
        case upsampling(DCUpBlock)
    }

    /// The way from the resolution below, and layers.
    struct Stage: Sendable {
        fileprivate let upsampler: DCUpBlock?
        fileprivate let layers: [any DCLayer]

        func callAsFunction(_ x: consuming Tensor) -> Tensor {
            var hidden = consume x
            if let upsampler { hidden = upsampler(consume hidden) }
            for layer in layers { hidden = layer(consume hidden) }
            return hidden
        }
    }

    init(_ config: AutoencoderDCConfig, _ reader: ParameterReader) {
        let stages = config.decoder
        let deepest = stages[stages.count - 1].channels
        func upBlock(_ reader: ParameterReader, _ inputs: Int, _ outputs: Int, hasShortcut: Bool) -> DCUpBlock {
            DCUpBlock(reader, inputs, outputs, config.upsampling, hasShortcut: hasShortcut)
        }
        convIn = Convolution(reader["conv_in"], config.latentChannels, deepest, kernel: 3)
        repeats = deepest / config.latentChannels
        self.stages = stages.indices.reversed().map { index in
            let (stage, block) = (stages[index], reader["up_blocks"][index])
            let upsamples = index < stages.count - 1 && stage.layers > 0
            return Stage(
                upsampler: upsamples
                    ? upBlock(block[0], stages[index + 1].channels, stage.channels, hasShortcut: true) : nil,
                layers: (0..<stage.layers).map { config.layer(stage, block[upsamples ? $0 + 1 : $0]) }
            )
        }
        let order = Array(stages.reversed())
        wholeStages = 1 + (order.lastIndex { $0.block == .efficientViT && $0.layers > 0 } ?? 0)
        let endsWithLayers = stages[0].layers > 0
        let channels = endsWithLayers ? stages[0].channels : stages[1].channels
        normWeight = reader["norm_out"].tensor("weight", [channels]).tensor()
        normBias = reader["norm_out"].tensor("bias", [channels]).tensor()
        end =
            endsWithLayers
            ? .convolution(Convolution(reader["conv_out"], channels, config.pictureChannels, kernel: 3))
            : .upsampling(upBlock(reader["conv_out"], channels, config.pictureChannels, hasShortcut: false))
    }

    func start(_ latents: Tensor) -> Tensor {
        convIn(latents, adding: latents.channelsRepeated(repeats))
    }

    /// The stages that look at the whole picture. → [batch, height, width, channels] at some resolution in between
    func begin(_ latents: Tensor) -> Tensor {
        var hidden = start(latents)
        for stage in stages[..<wholeStages] { hidden = stage(consume hidden) }
        return hidden
    }

    /// From there to pixels: convolutions only, whose memory grows with the picture.
    func finish(_ x: consuming Tensor) -> Tensor {
        var hidden = consume x
        for stage in stages[wholeStages...] { hidden = stage(consume hidden) }
        // diffusers fixes the epsilon of this norm.
        hidden.normalizeRMS(weight: normWeight, bias: normBias, epsilon: 1e-5, activation: .relu)
        switch end {
        case .convolution(let convolution): return convolution(hidden)
        case .upsampling(let upsampler): return upsampler(hidden)
        }
    }
}

extension Tensor {
    /// Every channel `count` times in a row: […, c] → […, count × c].
    fileprivate func channelsRepeated(_ count: Int) -> Tensor {
        let repeated = array.flatMap { Array(repeating: $0, count: count) }
        return Tensor(repeated, shape: shape.dropLast() + [count * shape[shape.count - 1]])
    }
}
