import Checkpoints
import Tensors

/// diffusers' `DCDownBlock2d`: half the size by a convolution, beside a shortcut that only rearranges pixels (arXiv
/// 2410.10733).
struct DCDownBlock: Sendable {
    private let convolution: Convolution
    private let downsampling: AutoencoderDCConfig.Downsampling
    private let outputs: Int
    private let hasShortcut: Bool

    init(
        _ reader: ParameterReader,
        _ inputs: Int,
        _ outputs: Int,
        _ downsampling: AutoencoderDCConfig.Downsampling,
        hasShortcut: Bool
    ) {
        convolution =
            switch downsampling {
            case .strided: Convolution(reader["conv"], inputs, outputs, kernel: 3, stride: 2)
            case .pixelUnshuffle: Convolution(reader["conv"], inputs, outputs / 4, kernel: 3)
            }
        self.downsampling = downsampling
        self.outputs = outputs
        self.hasShortcut = hasShortcut
    }

    /// [batch, height, width, inputs] → [batch, height / 2, width / 2, outputs]
    func callAsFunction(_ x: Tensor) -> Tensor {
        let shortcut = hasShortcut ? x.pixelUnshuffled2x(channels: outputs) : nil
        switch downsampling {
        case .strided: return convolution(x, adding: shortcut)
        case .pixelUnshuffle:
            var result = convolution(x).pixelUnshuffled2x(channels: outputs)
            if let shortcut { result += shortcut }
            return result
        }
    }
}

/// diffusers' `DCUpBlock2d`: twice the size by a convolution, beside a shortcut that only rearranges pixels.
struct DCUpBlock: Sendable {
    private let convolution: Convolution
    private let upsampling: AutoencoderDCConfig.Upsampling
    private let outputs: Int
    private let hasShortcut: Bool

    init(
        _ reader: ParameterReader,
        _ inputs: Int,
        _ outputs: Int,
        _ upsampling: AutoencoderDCConfig.Upsampling,
        hasShortcut: Bool
    ) {
        convolution =
            switch upsampling {
            case .interpolation: Convolution(reader["conv"], inputs, outputs, kernel: 3)
            case .pixelShuffle: Convolution(reader["conv"], inputs, 4 * outputs, kernel: 3)
            }
        self.upsampling = upsampling
        self.outputs = outputs
        self.hasShortcut = hasShortcut
    }

    /// [batch, height, width, inputs] → [batch, 2 × height, 2 × width, outputs]
    func callAsFunction(_ x: Tensor) -> Tensor {
        var result =
            switch upsampling {
            case .interpolation: convolution(x, upsampling: true)
            case .pixelShuffle: convolution(x).pixelShuffled2x(channels: outputs)
            }
        if hasShortcut { result.addPixelShuffled2x(x) }
        return result
    }
}
