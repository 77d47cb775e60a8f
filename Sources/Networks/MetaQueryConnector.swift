package import Checkpoints
package import Tensors

/// What a MetaQuery connector looks like. Its widths are those of the networks that it stands between.
package struct MetaQueryConnectorConfig: Sendable, Equatable {
    /// `connector_type`: whether the encoder or the projection comes first (section 3.2 of the paper).
    package enum Order: String, Sendable, CaseIterable {
        /// The encoder runs at the width of the language model: the official one.
        case encoderFirst = "enc_proj"
        /// The encoder runs at the width of the conditions: the paper's ablation.
        case projectionFirst = "proj_enc"
    }

    /// The language model's.
    package var inputWidth: Int
    /// Of the conditions that the diffusion model reads.
    package var outputWidth: Int
    package var layers: Int
    package var order: Order

    package init(inputWidth: Int, outputWidth: Int, layers: Int, order: Order = .encoderFirst) {
        self.inputWidth = inputWidth
        self.outputWidth = outputWidth
        self.layers = layers
        self.order = order
    }

    /// Of every head; the width of the encoder is a multiple of it.
    package static let headWidth = 64

    /// The width at which the encoder runs.
    package var encoderWidth: Int { order == .encoderFirst ? inputWidth : outputWidth }
    package var heads: Int { encoderWidth / Self.headWidth }
    package var feedForwardWidth: Int { 4 * encoderWidth }
}

/// MetaQuery's connector (arXiv 2504.06256, section 3.2): what the language model makes of the query tokens → what the
/// diffusion model reads as its condition.
///
/// The encoder is a Qwen2 whose tokens all see each other, with a norm on every head of queries and keys and none at the
/// end. Both orders have the same modules under the same keys: the encoder at `0`, the projection at `1`, `3` and `4`.
package struct MetaQueryConnector: Sendable {
    package let config: MetaQueryConnectorConfig
    private let layers: [EncoderLayer]
    private let rotary: RotaryEmbedding
    private let linear1: Linear
    private let linear2: Linear
    private let norm: RMSNorm

    package init(_ config: MetaQueryConnectorConfig, _ reader: ParameterReader) {
        self.config = config
        layers = (0..<config.layers).map { EncoderLayer(config, reader[0]["layers"][$0]) }
        // Qwen2Config's defaults: the official code sets neither theta nor the norms' epsilon.
        rotary = RotaryEmbedding(RotaryConfig(theta: 10000), headWidth: MetaQueryConnectorConfig.headWidth)
        linear1 = Linear(reader[1], config.inputWidth, config.outputWidth)
        linear2 = Linear(reader[3], config.outputWidth, config.outputWidth)
        norm = RMSNorm(reader[4], config.outputWidth, epsilon: 1e-5)
    }

    /// [batch, queries, inputWidth] → [batch, queries, outputWidth]
    package func callAsFunction(_ queries: Tensor) -> Tensor {
        switch config.order {
        case .encoderFirst: projected(encoded(queries))
        case .projectionFirst: encoded(projected(queries))
        }
    }

    /// The encoder alone: [batch, queries, encoderWidth] → the same shape
    package func encoded(_ x: Tensor) -> Tensor {
        let rotation = rotary(starts: [0], rows: x.shape[1])
        return layers.reduce(x) { x, layer in layer(x, rotation) }
    }

    /// The projection alone: [batch, queries, inputWidth] → [batch, queries, outputWidth]
    package func projected(_ x: Tensor) -> Tensor {
        norm(linear2(linear1(x, activation: .geluTanh)))
    }
}

/// A Qwen2 layer: attention and feed-forward, each behind a norm and around a residual.
private struct EncoderLayer: Sendable {
    private let inputNorm: RMSNorm
    private let attention: EncoderAttention
    private let postAttentionNorm: RMSNorm
    private let gate: Linear
    private let up: Linear
    private let down: Linear

    init(_ config: MetaQueryConnectorConfig, _ reader: ParameterReader) {
        let (width, feedForwardWidth) = (config.encoderWidth, config.feedForwardWidth)
        inputNorm = RMSNorm(reader["input_layernorm"], width, epsilon: 1e-6)
        attention = EncoderAttention(config, reader["self_attn"])
        postAttentionNorm = RMSNorm(reader["post_attention_layernorm"], width, epsilon: 1e-6)
        gate = Linear(reader["mlp"]["gate_proj"], width, feedForwardWidth, bias: false)
        up = Linear(reader["mlp"]["up_proj"], width, feedForwardWidth, bias: false)
        down = Linear(reader["mlp"]["down_proj"], feedForwardWidth, width, bias: false)
    }

    /// [batch, queries, width] → the same shape
    func callAsFunction(_ x: Tensor, _ rotation: (cosines: Tensor, sines: Tensor)) -> Tensor {
        let attended = attention(inputNorm(x), rotation, adding: x)
        let normed = postAttentionNorm(attended)
        return down(up(normed).gated(by: gate(normed), .silu), adding: attended)
    }
}

/// Attention among all queries, with rotary positions and then a norm on every head of queries and keys.
private struct EncoderAttention: Sendable {
    private let heads: Int
    private let queries: Linear
    private let keys: Linear
    private let values: Linear
    private let output: Linear
    /// [heads, headWidth]
    private let queryScale: Tensor
    private let keyScale: Tensor

    init(_ config: MetaQueryConnectorConfig, _ reader: ParameterReader) {
        let (width, headWidth) = (config.encoderWidth, MetaQueryConnectorConfig.headWidth)
        func scale(_ name: String) -> Tensor {
            let gamma = reader[name].tensor("gamma", [config.heads, 1, headWidth]).tensor()
            return gamma.reshaped([gamma.shape[0], gamma.shape[2]])
        }
        heads = config.heads
        queries = Linear(reader["q_proj"], width, width)
        keys = Linear(reader["k_proj"], width, width)
        values = Linear(reader["v_proj"], width, width)
        output = Linear(reader["o_proj"], width, width, bias: false)
        queryScale = scale("q_norm")
        keyScale = scale("k_norm")
    }

    /// [batch, queries, width] → the same shape, added to `residual`
    func callAsFunction(
        _ x: Tensor,
        _ rotation: (cosines: Tensor, sines: Tensor),
        adding residual: Tensor
    ) -> Tensor {
        func normed(_ x: Tensor, _ scale: Tensor) -> Tensor {
            // x / ‖x‖ × γ × √headWidth is an RMS norm; nothing but zeros is as short as the epsilon.
            x.rotated(cosines: rotation.cosines, sines: rotation.sines, heads: heads)
                .rmsNormalizedHeads(weight: scale, epsilon: 1e-24 / Float(MetaQueryConnectorConfig.headWidth))
        }
        func items(_ x: Tensor) -> [Tensor] {
            (0..<x.shape[0]).map { x[$0..<($0 + 1)].reshaped([x.shape[1], x.shape[2]]) }
        }
        let attended = normed(queries(x), queryScale).attended(
            keys: items(normed(keys(x), keyScale)),
            values: items(values(x)),
            heads: heads,
            keyValueHeads: heads,
            scale: 1 / Float(MetaQueryConnectorConfig.headWidth).squareRoot(),
            causal: false
        )
        return output(attended, adding: residual)
    }
}
