import Checkpoints
import Tensors

/// diffusers' `DownBlock2D`, `AttnDownBlock2D`, `CrossAttnDownBlock2D` and `DownEncoderBlock2D`: residual blocks, each
/// with attention behind it or not, then half the size.
struct DownBlock: Sendable {
    /// How the last convolution, of stride 2, is padded.
    enum Downsampling {
        /// One position on every side: the UNets.
        case padded
        /// One position on the right and at the bottom: the autoencoder.
        case rightBottom
    }

    private let resnets: [ResnetBlock]
    private let attentions: [any AttentionLayer]
    private let downsampler: (convolution: Convolution, padding: Downsampling)?

    /// - Parameter attention: nil in blocks without attention
    init(
        _ config: BlockConfig,
        _ reader: ParameterReader,
        _ inputs: Int,
        _ outputs: Int,
        layers: Int,
        downsampling: Downsampling?,
        attention: ((ParameterReader) -> any AttentionLayer)? = nil
    ) {
        resnets = (0..<layers).map { layer in
            ResnetBlock(config, reader["resnets"][layer], layer == 0 ? inputs : outputs, outputs)
        }
        attentions = attention.map { make in (0..<layers).map { make(reader["attentions"][$0]) } } ?? []
        downsampler = downsampling.map { padding in
            let convolution = Convolution(
                reader["downsamplers"][0]["conv"],
                outputs,
                outputs,
                kernel: 3,
                stride: 2,
                padding: padding == .padded ? 1 : 0
            )
            return (convolution, padding)
        }
    }

    /// [batch, height, width, inputs] → [batch, height / 2, width / 2, outputs]; the UNets' halves are rounded up
    /// - Parameters:
    ///   - condition: what layers with cross-attention look at
    ///   - keep: takes the output of every layer and of the downsampling, for an up half that needs them
    func callAsFunction(
        _ x: Tensor,
        time: Tensor? = nil,
        condition: ConditionKeyValues? = nil,
        keep: (Tensor) -> Void = { _ in }
    ) -> Tensor {
        var hidden = x
        for (layer, resnet) in resnets.enumerated() {
            hidden = resnet(hidden, time: time)
            if !attentions.isEmpty { hidden = attentions[layer](hidden, condition: condition) }
            keep(hidden)
        }
        if let downsampler {
            let padded = downsampler.padding == .rightBottom ? hidden.paddedRightBottom() : hidden
            hidden = downsampler.convolution(padded)
            keep(hidden)
        }
        return hidden
    }
}
