import Checkpoints
import Tensors

/// A layer of SigLIP's and CLIP's vision transformers: attention and feed-forward, each behind a norm and around a
/// residual.
struct VisionEncoderLayer: Sendable {
    private let norm1: LayerNorm
    private let attention: MultiHeadAttention
    private let norm2: LayerNorm
    private let linear1: Linear
    private let linear2: Linear
    private let activation: Activation

    init(_ config: VisionEncoderConfig, _ reader: ParameterReader) {
        norm1 = LayerNorm(reader["layer_norm1"], config.width, epsilon: config.normEpsilon)
        attention = MultiHeadAttention(projections: reader["self_attn"], config.width, heads: config.heads)
        norm2 = LayerNorm(reader["layer_norm2"], config.width, epsilon: config.normEpsilon)
        linear1 = Linear(reader["mlp"]["fc1"], config.width, config.feedForwardWidth)
        linear2 = Linear(reader["mlp"]["fc2"], config.feedForwardWidth, config.width)
        activation = config.activation
    }

    /// Leaves a layer unread.
    static func discard(_ reader: ParameterReader) { reader.discard(parameters) }

    /// [batch, patches, width] → the same shape
    func callAsFunction(_ x: Tensor) -> Tensor {
        let normed = norm1(x)
        let attended = attention(normed, attention.keyValues(of: normed), adding: x)
        return linear2(linear1(norm2(attended), activation: activation), adding: attended)
    }

    private static let parameters = [
        "layer_norm1.weight", "layer_norm1.bias", "layer_norm2.weight", "layer_norm2.bias",
        "self_attn.q_proj.weight", "self_attn.q_proj.bias", "self_attn.k_proj.weight", "self_attn.k_proj.bias",
        "self_attn.v_proj.weight", "self_attn.v_proj.bias", "self_attn.out_proj.weight", "self_attn.out_proj.bias",
        "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias",
    ]
}

extension ParameterReader {
    /// Leaves several parameters unread.
    func discard(_ names: [String]) {
        for name in names { discard(name) }
    }
}
