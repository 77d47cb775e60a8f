import Checkpoints
import Tensors

/// A layer of SigLIP's and CLIP's vision transformers: attention and feed-forward, each behind a norm and around a
/// residual. Every patch of a picture sees every other.
struct VisionEncoderLayer: Sendable {
    private let norm1: LayerNorm
    private let attention: MultiHeadAttention
    private let norm2: LayerNorm
    private let linear1: Linear
    private let linear2: Linear
    private let activation: VisionActivation

    init(
        _ reader: ParameterReader,
        _ width: Int,
        heads: Int,
        feedForwardWidth: Int,
        normEpsilon: Double,
        activation: VisionActivation
    ) {
        norm1 = LayerNorm(reader["layer_norm1"], width, epsilon: normEpsilon)
        attention = MultiHeadAttention(projections: reader["self_attn"], width, heads: heads)
        norm2 = LayerNorm(reader["layer_norm2"], width, epsilon: normEpsilon)
        linear1 = Linear(reader["mlp"]["fc1"], width, feedForwardWidth)
        linear2 = Linear(reader["mlp"]["fc2"], feedForwardWidth, width)
        self.activation = activation
    }

    /// How many of so many layers stand behind an entry of transformers' `hidden_states`: 0 is the embeddings, −1 the last
    /// layer's output. Nil where there is no such state.
    static func count(behindState index: Int, of layers: Int) -> Int? {
        if (0...layers).contains(index) { return index }
        // Not by adding first: an index from a file may be any integer.
        return (-(layers + 1)..<0).contains(index) ? layers + 1 + index : nil
    }

    /// Leaves a layer unread.
    static func discard(_ reader: ParameterReader) { reader.discard(parameters) }

    /// [batch, patches, width] → the same shape
    func callAsFunction(_ x: Tensor) -> Tensor {
        let normed = norm1(x)
        let attended = attention(normed, attention.keyValues(of: normed), adding: x)
        return linear2(activation(linear1, norm2(attended)), adding: attended)
    }

    private static let parameters = [
        "layer_norm1.weight", "layer_norm1.bias", "layer_norm2.weight", "layer_norm2.bias",
        "self_attn.q_proj.weight", "self_attn.q_proj.bias", "self_attn.k_proj.weight", "self_attn.k_proj.bias",
        "self_attn.v_proj.weight", "self_attn.v_proj.bias", "self_attn.out_proj.weight", "self_attn.out_proj.bias",
        "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias",
    ]
}

/// What stands between the two linear layers of a vision transformer's feed-forward.
package enum VisionActivation: String, Sendable {
    case gelu
    case geluTanh = "gelu_pytorch_tanh"
    /// x / (1 + e^(−1.702 x)), OpenAI's approximation of GELU
    case quickGELU = "quick_gelu"

    /// The activation of what a layer makes of `x`.
    fileprivate func callAsFunction(_ layer: Linear, _ x: Tensor) -> Tensor {
        switch self {
        case .gelu: layer(x, activation: .gelu)
        case .geluTanh: layer(x, activation: .geluTanh)
        case .quickGELU: layer(x).scaled(by: 1.702).activated(.silu).scaled(by: 1 / 1.702)
        }
    }
}

extension ParameterReader {
    /// Leaves several parameters unread.
    func discard(_ names: [String]) {
        for name in names { discard(name) }
    }
}
