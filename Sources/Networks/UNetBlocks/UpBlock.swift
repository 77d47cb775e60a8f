import Checkpoints
import Tensors

/// diffusers' `UpBlock2D`, `AttnUpBlock2D` and `UpDecoderBlock2D`: residual blocks, each with attention behind it or
/// not, then twice the size.
struct UpBlock: Sendable {
    private let resnets: [ResnetBlock]
    private let attentions: [SpatialAttention]
    private let upsampler: Convolution?

    /// - Parameters:
    ///   - skips: channels that the down half hands to each layer; zeros where there is no down half
    ///   - attentionHeadWidth: nil in blocks without attention
    init(
        _ config: BlockConfig,
        _ reader: ParameterReader,
        _ inputs: Int,
        _ outputs: Int,
        skips: [Int],
        attentionHeadWidth: Int? = nil,
        upsamples: Bool
    ) {
        resnets = skips.enumerated().map { layer, skip in
            ResnetBlock(config, reader["resnets"][layer], (layer == 0 ? inputs : outputs) + skip, outputs)
        }
        attentions =
            attentionHeadWidth.map { headWidth in
                skips.indices.map { layer in
                    SpatialAttention(config, reader["attentions"][layer], channels: outputs, headWidth: headWidth)
                }
            } ?? []
        upsampler = upsamples ? Convolution(reader["upsamplers"][0]["conv"], outputs, outputs, kernel: 3) : nil
    }

    /// [batch, height, width, inputs] → [batch, 2 × height, 2 × width, outputs]
    /// - Parameter skip: what the down half kept, last first; nil where there is no down half
    func callAsFunction(_ x: consuming Tensor, time: Tensor? = nil, skip: () -> Tensor? = { nil }) -> Tensor {
        var hidden = x
        for (layer, resnet) in resnets.enumerated() {
            if let kept = skip() { hidden = .concatenated([hidden, kept], axis: 3) }
            hidden = resnet(consume hidden, time: time)
            if !attentions.isEmpty { hidden = attentions[layer](hidden) }
        }
        return upsampler?(hidden, upsampling: true) ?? hidden
    }
}
