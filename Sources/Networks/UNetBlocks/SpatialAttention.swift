import Checkpoints
import Tensors

/// diffusers' `Attention` inside convolutional blocks: every position of a picture sees every other.
struct SpatialAttention: Sendable {
    private let heads: Int
    private let scale: Float
    private let norm: GroupNorm
    private let queries: Linear
    private let keys: Linear
    private let values: Linear
    private let output: Linear

    init(_ config: BlockConfig, _ reader: ParameterReader, channels: Int, headWidth: Int) {
        heads = channels / headWidth
        scale = 1 / Float(headWidth).squareRoot()
        norm = GroupNorm(reader["group_norm"], groups: config.groups, channels: channels, epsilon: config.epsilon)
        queries = Linear(reader["to_q"], channels, channels)
        keys = Linear(reader["to_k"], channels, channels)
        values = Linear(reader["to_v"], channels, channels)
        output = Linear(reader["to_out"][0], channels, channels)
    }

    /// [batch, height, width, channels] → the same shape
    func callAsFunction(_ x: Tensor) -> Tensor {
        let (batch, rows, channels) = (x.shape[0], x.shape[1] * x.shape[2], x.shape[3])
        let positions = x.reshaped([batch, rows, channels])
        let normalized = norm(positions)
        let k = keys(normalized)
        let v = values(normalized)
        let attended = queries(normalized).attended(
            keys: (0..<batch).map { k[$0..<($0 + 1)].reshaped([rows, channels]) },
            values: (0..<batch).map { v[$0..<($0 + 1)].reshaped([rows, channels]) },
            heads: heads,
            keyValueHeads: heads,
            scale: scale,
            causal: false
        )
        return output(attended, adding: positions).reshaped(x.shape)
    }
}
