package import Checkpoints
package import Tensors

/// The `model_config.json` of a MetaMorph visualizer.
package struct VisualizerAdapterConfig: Sendable, Equatable, Decodable {
    package enum Mode: String, Sendable, Decodable {
        /// Linear layers, each with a norm behind it.
        case mlp
        /// Learned tokens that attend to the visual tokens.
        case crossAttention = "xattn"
        /// The same with a feed-forward layer behind every attention.
        case crossAttentionWithFeedForward = "xattnffn"
    }

    package var mode: Mode
    /// Width of the visual tokens.
    package var inputWidth: Int
    package var hiddenWidth: Int
    /// Width of the condition.
    package var outputWidth: Int
    /// Learned tokens.
    package var tokens: Int
    package var layers: Int
    package var heads: Int

    private enum CodingKeys: String, CodingKey {
        case mode
        case inputWidth = "input_dim"
        case hiddenWidth = "hidden_dim"
        case outputWidth = "output_dim"
        case tokens = "num_tokens"
        case layers = "num_layers"
        case heads = "num_heads"
    }

    package init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        mode = try config.decodeIfPresent(Mode.self, forKey: .mode) ?? .mlp
        inputWidth = try config.integer(.inputWidth, in: .networkSize, default: 1152)
        hiddenWidth = try config.integer(.hiddenWidth, in: .networkSize, default: 4096)
        let outputWidth = try config.integer(.outputWidth, in: .networkSize, default: 768)
        self.outputWidth = outputWidth
        tokens = try config.integer(.tokens, in: 1...4096, default: 77)
        layers = try config.integer(.layers, in: 1...1024, default: 6)
        heads = try config.integer(.heads, in: .networkSize, default: 8)
        guard mode == .mlp || outputWidth.isMultiple(of: heads) else {
            throw config.invalid(.heads, "\(heads) heads don't divide \(outputWidth)")
        }
    }
}

/// Visual tokens → the condition of a Stable Diffusion UNet: `SimplifiedSigLIPProjector` of MetaMorph's
/// `inference/adapter.py` (arXiv 2412.14164).
package struct VisualizerAdapter: Sendable {
    package let config: VisualizerAdapterConfig
    private let projector: any ConditionProjector

    /// Tokens of a condition as Stable Diffusion's text encoder makes them.
    private static let conditionTokens = 77

    package init(_ config: VisualizerAdapterConfig, _ reader: ParameterReader) {
        self.config = config
        projector =
            config.mode == .mlp ? PerceptronProjector(config, reader) : AttentionProjector(config, reader)
    }

    /// [batch, tokens, inputWidth] → [batch, tokens or those of the config, outputWidth]
    package func callAsFunction(_ visualTokens: Tensor) -> Tensor { projector(visualTokens) }

    /// The same with tokens of zeros behind it where a condition has fewer than 77, as the authors' demo adds them.
    package func condition(of visualTokens: Tensor) -> Tensor {
        let projected = self(visualTokens)
        let missing = Self.conditionTokens - projected.shape[1]
        guard missing > 0 else { return projected }
        let zeros = Tensor.zeros([projected.shape[0], missing, projected.shape[2]])
        return .concatenated([projected, zeros], axis: 1)
    }
}

/// One mode of the adapter.
private protocol ConditionProjector: Sendable {
    func callAsFunction(_ x: Tensor) -> Tensor
}

/// Linear layers with a norm behind each and ReLU between them.
private struct PerceptronProjector: ConditionProjector {
    private let layers: [(linear: Linear, norm: LayerNorm)]

    init(_ config: VisualizerAdapterConfig, _ reader: ParameterReader) {
        // The official class makes a first and a last layer whatever the number is.
        let inner = Array(repeating: config.hiddenWidth, count: max(2, config.layers) - 1)
        let widths = [config.inputWidth] + inner + [config.outputWidth]
        layers = zip(widths, widths.dropFirst()).enumerated().map { index, width in
            (
                Linear(reader["layers"][index], width.0, width.1),
                LayerNorm(reader["norms"][index], width.1, epsilon: 1e-5)
            )
        }
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        layers.enumerated().reduce(x) { hidden, layer in
            let normalized = layer.element.norm(layer.element.linear(hidden))
            return layer.offset < layers.count - 1 ? normalized.activated(.relu) : normalized
        }
    }
}

/// Learned tokens that look at the visual ones, layer by layer.
private struct AttentionProjector: ConditionProjector {
    private let tokens: Tensor
    private let projection: Linear
    private let norm: LayerNorm
    private let layers: [CrossAttentionBlock]

    init(_ config: VisualizerAdapterConfig, _ reader: ParameterReader) {
        let width = config.outputWidth
        tokens = reader.tensor("token_embeddings", [1, config.tokens, width]).tensor()
        projection = Linear(reader["proj"], config.inputWidth, width)
        norm = LayerNorm(reader["input_norm"], width, epsilon: 1e-5)
        layers = (0..<config.layers).map { layer in
            CrossAttentionBlock(config, reader["cross_attn_layers"][layer])
        }
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let visual = norm(projection(x))
        return layers.reduce(tokens.repeated(x.shape[0])) { tokens, layer in layer(tokens, visual) }
    }
}

/// Cross-attention and, in one of the modes, a feed-forward layer; the norms stand behind the residuals.
private struct CrossAttentionBlock: Sendable {
    private let attention: MultiHeadAttention
    private let norm1: LayerNorm
    private let feedForward: (expand: Linear, contract: Linear, norm: LayerNorm)?

    init(_ config: VisualizerAdapterConfig, _ reader: ParameterReader) {
        let width = config.outputWidth
        attention = MultiHeadAttention(packed: reader["cross_attn"], width, heads: config.heads)
        norm1 = LayerNorm(reader["norm1"], width, epsilon: 1e-5)
        feedForward =
            config.mode == .crossAttentionWithFeedForward
            ? (
                Linear(reader["ffn"][0], width, 4 * width),
                Linear(reader["ffn"][2], 4 * width, width),
                LayerNorm(reader["norm2"], width, epsilon: 1e-5)
            ) : nil
    }

    /// [batch, tokens, width], looking at [batch, visual tokens, width] → [batch, tokens, width]
    func callAsFunction(_ tokens: Tensor, _ visual: Tensor) -> Tensor {
        let seen = norm1(attention(tokens, attention.keyValues(of: visual), adding: tokens))
        guard let feedForward else { return seen }
        return feedForward.norm(feedForward.contract(feedForward.expand(seen, activation: .relu), adding: seen))
    }
}
