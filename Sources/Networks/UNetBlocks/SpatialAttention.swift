import Checkpoints
import Tensors

/// diffusers' `Attention` inside convolutional blocks: every position of a picture sees every other.
struct SpatialAttention: AttentionLayer {
    private let norm: GroupNorm
    private let attention: MultiHeadAttention

    init(_ config: BlockConfig, _ reader: ParameterReader, channels: Int, headWidth: Int) {
        norm = GroupNorm(reader["group_norm"], groups: config.groups, channels: channels, epsilon: config.epsilon)
        attention = MultiHeadAttention(reader, channels, from: channels, heads: channels / headWidth, bias: true)
    }

    func callAsFunction(_ x: Tensor, condition: ConditionKeyValues?) -> Tensor {
        let positions = x.reshaped([x.shape[0], x.shape[1] * x.shape[2], x.shape[3]])
        let normalized = norm(positions)
        return attention(normalized, attention.keyValues(of: normalized), adding: positions).reshaped(x.shape)
    }
}
