import Checkpoints
import Tensors

/// diffusers' `UNetMidBlock2D`: a residual block, attention over the whole picture, a residual block.
struct MidBlock: Sendable {
    private let resnet1: ResnetBlock
    private let attention: SpatialAttention?
    private let resnet2: ResnetBlock

    init(_ config: BlockConfig, _ reader: ParameterReader, _ channels: Int, hasAttention: Bool, headWidth: Int) {
        resnet1 = ResnetBlock(config, reader["resnets"][0], channels, channels)
        attention =
            hasAttention
            ? SpatialAttention(config, reader["attentions"][0], channels: channels, headWidth: headWidth) : nil
        resnet2 = ResnetBlock(config, reader["resnets"][1], channels, channels)
    }

    /// [batch, height, width, channels] → the same shape
    func callAsFunction(_ x: Tensor, time: Tensor? = nil) -> Tensor {
        let hidden = resnet1(x, time: time)
        return resnet2(attention?(hidden) ?? hidden, time: time)
    }
}
