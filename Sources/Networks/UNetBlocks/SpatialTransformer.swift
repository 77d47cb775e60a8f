import Checkpoints
import Tensors

/// What the transformers of one resolution have in common.
struct TransformerConfig: Sendable {
    var heads: Int
    var depth: Int
    /// Width of the condition's tokens.
    var conditionWidth: Int
    /// Whether the projections around the blocks are stored as linear layers or as 1×1 convolutions.
    var projectsLinearly: Bool
}

/// diffusers' `Transformer2DModel` inside convolutional blocks (arXiv 2112.10752): every position of a picture sees
/// every other, then a condition.
struct SpatialTransformer: AttentionLayer {
    private let index: Int
    private let norm: GroupNorm
    private let projectionIn: PositionProjection
    private let blocks: [TransformerBlock]
    private let projectionOut: PositionProjection

    /// - Parameter index: where its keys and values stand in `ConditionKeyValues`
    init(
        _ config: BlockConfig,
        _ transformer: TransformerConfig,
        _ reader: ParameterReader,
        channels: Int,
        index: Int
    ) {
        self.index = index
        // diffusers fixes the epsilon of this norm.
        norm = GroupNorm(reader["norm"], groups: config.groups, channels: channels, epsilon: 1e-6)
        projectionIn = PositionProjection(reader["proj_in"], channels, isLinear: transformer.projectsLinearly)
        blocks = (0..<transformer.depth).map { block in
            TransformerBlock(transformer, reader["transformer_blocks"][block], width: channels)
        }
        projectionOut = PositionProjection(reader["proj_out"], channels, isLinear: transformer.projectsLinearly)
    }

    /// Keys and values of a condition [items, tokens, width] in every block.
    func keyValues(of condition: Tensor) -> [KeyValues] {
        blocks.map { $0.keyValues(of: condition) }
    }

    func callAsFunction(_ x: Tensor, condition: ConditionKeyValues?) -> Tensor {
        guard let condition else { preconditionFailure("a network with cross-attention needs a condition") }
        let positions = [x.shape[0], x.shape[1] * x.shape[2], x.shape[3]]
        let hidden = zip(blocks, condition[transformer: index])
            .reduce(projectionIn(x, norm: norm).reshaped(positions)) { hidden, next in
                next.0(hidden, next.1)
            }  // [batch, height × width, channels]
        return projectionOut(hidden.reshaped(x.shape), adding: x)
    }
}

/// The same linear map at every position: [batch, height, width, channels] → the same shape.
private enum PositionProjection: Sendable {
    case convolution(Convolution)
    case linear(Linear)

    init(_ reader: ParameterReader, _ channels: Int, isLinear: Bool) {
        self =
            isLinear
            ? .linear(Linear(reader, channels, channels))
            : .convolution(Convolution(reader, channels, channels, kernel: 1))
    }

    func callAsFunction(_ x: Tensor, norm: GroupNorm? = nil, adding residual: Tensor? = nil) -> Tensor {
        switch self {
        case .convolution(let convolution): convolution(x, normalization: norm?.moments(of: x), adding: residual)
        case .linear(let linear): linear(norm?(x) ?? x, adding: residual)
        }
    }
}

/// diffusers' `BasicTransformerBlock`: attention to itself, attention to the condition, a gated feed-forward layer.
private struct TransformerBlock: Sendable {
    private let norm1: LayerNorm
    private let selfAttention: MultiHeadAttention
    private let norm2: LayerNorm
    private let crossAttention: MultiHeadAttention
    private let norm3: LayerNorm
    private let feedForward: GEGLUFeedForward

    init(_ config: TransformerConfig, _ reader: ParameterReader, width: Int) {
        // diffusers fixes the epsilon of these norms.
        norm1 = LayerNorm(reader["norm1"], width, epsilon: 1e-5)
        selfAttention = MultiHeadAttention(reader["attn1"], width, from: width, heads: config.heads, bias: false)
        norm2 = LayerNorm(reader["norm2"], width, epsilon: 1e-5)
        crossAttention = MultiHeadAttention(
            reader["attn2"],
            width,
            from: config.conditionWidth,
            heads: config.heads,
            bias: false
        )
        norm3 = LayerNorm(reader["norm3"], width, epsilon: 1e-5)
        feedForward = GEGLUFeedForward(reader["ff"]["net"], width)
    }

    func keyValues(of condition: Tensor) -> KeyValues { crossAttention.keyValues(of: condition) }

    /// [batch, rows, width] → the same shape
    func callAsFunction(_ x: Tensor, _ condition: KeyValues) -> Tensor {
        let normalized = norm1(x)
        let seen = selfAttention(normalized, selfAttention.keyValues(of: normalized), adding: x)
        let conditioned = crossAttention(norm2(seen), condition, adding: seen)
        return feedForward(norm3(conditioned), adding: conditioned)
    }
}

/// GEGLU (arXiv 2002.05202) four times as wide as its input, and a linear layer back.
private struct GEGLUFeedForward: Sendable {
    /// The first half of `proj` is the value, the second its gate.
    private let projections: [Linear]
    private let output: Linear

    init(_ reader: ParameterReader, _ width: Int) {
        let projection = reader[0]["proj"]
        projections = Linear.stacked(
            projection.tensor("weight", [8 * width, width]),
            bias: projection.tensor("bias", [8 * width]),
            count: 2
        )
        output = Linear(reader[2], 4 * width, width)
    }

    /// [batch, rows, width] → the same shape, added to `residual`
    func callAsFunction(_ x: Tensor, adding residual: Tensor) -> Tensor {
        output(projections[0](x).gated(by: projections[1](x), .gelu), adding: residual)
    }
}
