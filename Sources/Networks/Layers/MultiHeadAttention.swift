import Checkpoints
import Tensors

/// Keys and values of every item of a batch in one attention.
struct KeyValues: Sendable {
    /// [rows, width] of each item
    var keys: [Tensor]
    /// [rows, width] of each item
    var values: [Tensor]
}

/// Attention without a mask (arXiv 1706.03762): every row of one sequence sees all rows of another, or of its own.
struct MultiHeadAttention: Sendable {
    private let heads: Int
    private let scale: Float
    private let queries: Linear
    private let keys: Linear
    private let values: Linear
    private let output: Linear

    /// diffusers' `Attention`: `to_q`, `to_k`, `to_v`, `to_out.0`.
    /// - Parameters:
    ///   - source: width of what keys and values are made of
    ///   - bias: of queries, keys and values
    init(_ reader: ParameterReader, _ width: Int, from source: Int, heads: Int, bias: Bool) {
        self.init(
            width,
            heads: heads,
            queries: Linear(reader["to_q"], width, width, bias: bias),
            keys: Linear(reader["to_k"], source, width, bias: bias),
            values: Linear(reader["to_v"], source, width, bias: bias),
            output: Linear(reader["to_out"][0], width, width)
        )
    }

    /// PyTorch's `nn.MultiheadAttention`: `in_proj_weight` [queries ‖ keys ‖ values, width], `out_proj`.
    init(packed reader: ParameterReader, _ width: Int, heads: Int) {
        let projections = Linear.stacked(
            reader.tensor("in_proj_weight", [3 * width, width]),
            bias: reader.tensor("in_proj_bias", [3 * width]),
            count: 3
        )
        self.init(
            width,
            heads: heads,
            queries: projections[0],
            keys: projections[1],
            values: projections[2],
            output: Linear(reader["out_proj"], width, width)
        )
    }

    /// transformers' SigLIP: `q_proj`, `k_proj`, `v_proj`, `out_proj`.
    init(projections reader: ParameterReader, _ width: Int, heads: Int) {
        self.init(
            width,
            heads: heads,
            queries: Linear(reader["q_proj"], width, width),
            keys: Linear(reader["k_proj"], width, width),
            values: Linear(reader["v_proj"], width, width),
            output: Linear(reader["out_proj"], width, width)
        )
    }

    private init(_ width: Int, heads: Int, queries: Linear, keys: Linear, values: Linear, output: Linear) {
        self.heads = heads
        scale = 1 / Float(width / heads).squareRoot()
        self.queries = queries
        self.keys = keys
        self.values = values
        self.output = output
    }

    /// What the rows of [batch, rows, source] are looked up by and what they hold.
    func keyValues(of source: Tensor) -> KeyValues {
        KeyValues(keys: keys(source).items, values: values(source).items)
    }

    /// [batch, rows, width] → the same shape, added to `residual`
    func callAsFunction(_ x: Tensor, _ keyValues: KeyValues, adding residual: Tensor? = nil) -> Tensor {
        let attended = queries(x).attended(
            keys: keyValues.keys,
            values: keyValues.values,
            heads: heads,
            keyValueHeads: heads,
            scale: scale,
            causal: false
        )
        return output(attended, adding: residual)
    }
}

extension Tensor {
    /// The items of [batch, rows, width], [rows, width] each.
    fileprivate var items: [Tensor] {
        (0..<shape[0]).map { self[$0..<($0 + 1)].reshaped([shape[1], shape[2]]) }
    }
}
