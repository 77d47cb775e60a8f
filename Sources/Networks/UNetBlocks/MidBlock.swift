import Checkpoints
import Tensors

/// diffusers' `UNetMidBlock2D` and `UNetMidBlock2DCrossAttn`: a residual block, attention over the whole picture, a
/// residual block.
struct MidBlock: Sendable {
    private let resnet1: ResnetBlock
    private let attention: (any AttentionLayer)?
    private let resnet2: ResnetBlock

    /// - Parameter attention: nil in blocks without attention
    init(
        _ config: BlockConfig,
        _ reader: ParameterReader,
        _ channels: Int,
        attention: ((ParameterReader) -> any AttentionLayer)?
    ) {
        resnet1 = ResnetBlock(config, reader["resnets"][0], channels, channels)
        self.attention = attention.map { make in make(reader["attentions"][0]) }
        resnet2 = ResnetBlock(config, reader["resnets"][1], channels, channels)
    }

    /// [batch, height, width, channels] → the same shape
    /// - Parameter condition: what layers with cross-attention look at
    func callAsFunction(_ x: Tensor, time: Tensor? = nil, condition: ConditionKeyValues? = nil) -> Tensor {
        let hidden = resnet1(x, time: time)
        return resnet2(attention?(hidden, condition: condition) ?? hidden, time: time)
    }
}
