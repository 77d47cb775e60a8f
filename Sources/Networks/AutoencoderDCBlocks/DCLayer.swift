import Checkpoints
import Tensors

/// A layer of `AutoencoderDC` that keeps resolution and channels.
protocol DCLayer: Sendable {
    /// [batch, height, width, channels] → the same shape
    func callAsFunction(_ x: consuming Tensor) -> Tensor
}

extension AutoencoderDCConfig {
    /// Layer `index` of a stage.
    func layer(_ stage: Stage, _ reader: ParameterReader) -> any DCLayer {
        switch stage.block {
        case .residual: DCResBlock(stage, reader)
        case .efficientViT: EfficientViTBlock(stage, reader, headWidth: attentionHeadWidth)
        }
    }
}

/// diffusers' `ResBlock`: two 3×3 convolutions and a norm around a residual.
struct DCResBlock: DCLayer {
    private let conv1: Convolution
    private let activation: Activation
    private let conv2: Convolution
    private let norm: ChannelNorm

    init(_ stage: AutoencoderDCConfig.Stage, _ reader: ParameterReader) {
        conv1 = Convolution(reader["conv1"], stage.channels, stage.channels, kernel: 3)
        activation = stage.activation
        conv2 = Convolution(reader["conv2"], stage.channels, stage.channels, kernel: 3, bias: false)
        norm = ChannelNorm(reader["norm"], stage.norm, stage.channels)
    }

    func callAsFunction(_ x: consuming Tensor) -> Tensor {
        var result = consume x
        let hidden = conv1(result, activation: activation)
        conv2.add(hidden, to: &result) { norm.normalize(&$0) }
        return result
    }
}

/// diffusers' `EfficientViTBlock` (arXiv 2205.14756): linear attention over the whole picture, then Sana's feed-forward
/// layer.
struct EfficientViTBlock: DCLayer {
    private let attention: MultiscaleLinearAttention
    private let feedForward: GLUMBConv
    private let norm: ChannelNorm

    init(_ stage: AutoencoderDCConfig.Stage, _ reader: ParameterReader, headWidth: Int) {
        attention = MultiscaleLinearAttention(stage, reader["attn"], headWidth: headWidth)
        // diffusers fixes expansion and norm of this layer.
        feedForward = GLUMBConv(reader["conv_out"], stage.channels, hidden: 4 * stage.channels)
        norm = ChannelNorm(reader["conv_out"]["norm"], .rms, stage.channels)
    }

    func callAsFunction(_ x: consuming Tensor) -> Tensor {
        let attended = attention(consume x)
        var hidden = feedForward(attended)
        norm.normalize(&hidden, adding: attended)
        return hidden
    }
}
