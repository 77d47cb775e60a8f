import Checkpoints
import Tensors

/// diffusers' `UpBlock2D`, `AttnUpBlock2D`, `CrossAttnUpBlock2D` and `UpDecoderBlock2D`: residual blocks, each with
/// attention behind it or not, then twice the size.
struct UpBlock: Sendable {
    private let resnets: [ResnetBlock]
    private let attentions: [any AttentionLayer]
    private let upsampler: Convolution?

    /// - Parameters:
    ///   - skips: channels that the down half hands to each layer; zeros where there is no down half
    ///   - attention: nil in blocks without attention
    init(
        _ config: BlockConfig,
        _ reader: ParameterReader,
        _ inputs: Int,
        _ outputs: Int,
        skips: [Int],
        upsamples: Bool,
        attention: ((ParameterReader) -> any AttentionLayer)? = nil
    ) {
        resnets = skips.enumerated().map { layer, skip in
            ResnetBlock(config, reader["resnets"][layer], (layer == 0 ? inputs : outputs) + skip, outputs)
        }
        attentions = attention.map { make in skips.indices.map { make(reader["attentions"][$0]) } } ?? []
        upsampler = upsamples ? Convolution(reader["upsamplers"][0]["conv"], outputs, outputs, kernel: 3) : nil
    }

    /// [batch, height, width, inputs] → [batch, 2 × height, 2 × width, outputs]
    /// - Parameters:
    ///   - condition: what layers with cross-attention look at
    ///   - next: the skip that meets the result; where its size is odd, the result has one row or column less
    ///   - skip: what the down half kept, last first; nil where there is no down half
    func callAsFunction(
        _ x: consuming Tensor,
        time: Tensor? = nil,
        condition: ConditionKeyValues? = nil,
        next: Tensor? = nil,
        skip: () -> Tensor? = { nil }
    ) -> Tensor {
        var hidden = x
        for (layer, resnet) in resnets.enumerated() {
            if let kept = skip() { hidden = .concatenated([hidden, kept], axis: 3) }
            hidden = resnet(consume hidden, time: time)
            if !attentions.isEmpty { hidden = attentions[layer](hidden, condition: condition) }
        }
        guard let upsampler else { return hidden }
        guard let next, next.shape[1] < 2 * hidden.shape[1] || next.shape[2] < 2 * hidden.shape[2] else {
            return upsampler(hidden, upsampling: true)
        }
        let doubled = hidden.upsampledNearest2x()
        return upsampler(doubled.cropped(rows: 0..<next.shape[1], columns: 0..<next.shape[2]))
    }
}
