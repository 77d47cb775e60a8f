import Checkpoints
import Tensors

/// diffusers' `SanaTransformerBlock`: linear attention among the positions, attention to the condition, and a
/// feed-forward layer that sees neighbours.
struct SanaBlock: Sendable {
    private let table: ModulationTable
    private let epsilon: Float
    private let selfAttention: LinearSelfAttention
    private let crossAttention: MultiHeadAttention
    private let feedForward: GLUMBConv

    init(_ config: SanaTransformerConfig, _ reader: ParameterReader) {
        table = ModulationTable(reader, [.shift, .scale, .gate, .shift, .scale, .gate], config.width)
        epsilon = Float(config.normEpsilon)
        selfAttention = LinearSelfAttention(
            reader["attn1"],
            config.width,
            heads: config.heads,
            bias: config.hasAttentionBias
        )
        crossAttention = MultiHeadAttention(
            reader["attn2"],
            config.width,
            from: config.width,
            heads: config.crossHeads,
            bias: true
        )
        feedForward = GLUMBConv(reader["ff"], config.width, hidden: config.feedForwardWidth)
    }

    /// Keys and values of a projected condition [items, tokens, width].
    func keyValues(of condition: Tensor) -> KeyValues { crossAttention.keyValues(of: condition) }

    /// [batch, height, width, channels] → the same shape
    /// - Parameter modulation: the embedded time, [batch, 6 × channels]
    func callAsFunction(_ x: consuming Tensor, modulation: Tensor, condition: KeyValues) -> Tensor {
        let (picture, positions) = (x.shape, [x.shape[0], x.shape[1] * x.shape[2], x.shape[3]])
        let rows = table(modulation)
        var hidden = (consume x).reshaped(positions)
        hidden.addScaled(
            selfAttention(hidden.layerNormalized(scales: rows[1], shifts: rows[0], epsilon: epsilon)),
            byRows: rows[2]
        )
        hidden = crossAttention(hidden, condition, adding: hidden)
        let normalized = hidden.layerNormalized(scales: rows[4], shifts: rows[3], epsilon: epsilon)
        hidden.addScaled(feedForward(normalized.reshaped(picture)), byRows: rows[5])
        return hidden.reshaped(picture)
    }
}

/// diffusers' `Attention` with the `SanaLinearAttnProcessor2_0`: `to_q`, `to_k`, `to_v`, `to_out.0`.
private struct LinearSelfAttention: Sendable {
    private let heads: Int
    private let queries: Linear
    private let keys: Linear
    private let values: Linear
    private let output: Linear

    /// - Parameter bias: of queries, keys and values
    init(_ reader: ParameterReader, _ width: Int, heads: Int, bias: Bool) {
        self.heads = heads
        queries = Linear(reader["to_q"], width, width, bias: bias)
        keys = Linear(reader["to_k"], width, width, bias: bias)
        values = Linear(reader["to_v"], width, width, bias: bias)
        output = Linear(reader["to_out"][0], width, width)
    }

    /// [batch, rows, width] → the same shape
    func callAsFunction(_ x: Tensor) -> Tensor {
        output(queries(x).linearlyAttended(keys: keys(x), values: values(x), heads: heads))
    }
}
