import Checkpoints
import Tensors

/// The layers of a decoder and the norm behind them.
struct LlamaDecoder: Sendable {
    let layers: [LlamaLayer]
    let norm: RMSNorm
    let rotary: RotaryEmbedding

    /// What the tokens of a pass see beside everything in their cache.
    enum Attention {
        /// The tokens before them and themselves; the cache keeps the pass.
        case causal
        /// All tokens of the pass; the cache keeps the pass.
        case bidirectional
        /// All tokens of the pass, which the cache forgets again: noise tokens, different at every step.
        case transient

        var isCausal: Bool { self == .causal }
        var keepsPass: Bool { self != .transient }
    }

    /// [batch, rows, width] → the same shape, before the final norm.
    /// - Parameter positions: where the rows stand; nil means behind each item's cache, one by one
    func callAsFunction(
        _ x: Tensor,
        positions: RotaryPositions? = nil,
        caches: inout [KeyValueCache],
        attention: Attention
    ) -> Tensor {
        let rows = x.shape[1]
        let rotation = rotary(positions ?? RotaryPositions(starts: caches.map(\.length), rows: rows))
        if attention.keepsPass {
            for item in caches.indices { caches[item].reserve(rows) }
        }
        var hidden = x
        for (index, layer) in layers.enumerated() {
            hidden = layer(hidden, rotation, attention) { keys, values in
                Self.remember(keys, values, layer: index, caches: &caches, keepsPass: attention.keepsPass)
            }
        }
        if attention.keepsPass {
            for item in caches.indices { caches[item].commit(rows) }
        }
        return hidden
    }

    /// Joins each item's new keys and values, [batch, rows, keyValueHeads × headWidth], to those in its cache:
    /// [length + rows, keyValueHeads × headWidth] an item.
    private static func remember(
        _ keys: Tensor,
        _ values: Tensor,
        layer: Int,
        caches: inout [KeyValueCache],
        keepsPass: Bool
    ) -> (keys: [Tensor], values: [Tensor]) {
        let rows = keys.shape[1]
        var joined: (keys: [Tensor], values: [Tensor]) = ([], [])
        for item in caches.indices {
            let newKeys = keys[item..<(item + 1)].reshaped([rows, keys.shape[2]])
            let newValues = values[item..<(item + 1)].reshaped([rows, values.shape[2]])
            let length = caches[item].length
            if keepsPass {
                caches[item].write(layer: layer, keys: newKeys, values: newValues)
                let all = caches[item].rows(layer: layer, length + rows)
                joined.keys.append(all.keys)
                joined.values.append(all.values)
            } else {
                let old = caches[item].rows(layer: layer, length)
                joined.keys.append(.concatenated([old.keys, newKeys], axis: 0))
                joined.values.append(.concatenated([old.values, newValues], axis: 0))
            }
        }
        return joined
    }
}

/// One decoder layer: attention and feed-forward, each behind a norm and around a residual.
struct LlamaLayer: Sendable {
    let inputNorm: RMSNorm
    let selfAttention: LlamaAttention
    let postAttentionNorm: RMSNorm
    let feedForward: LlamaFeedForward

    init(_ config: LlamaConfig, _ reader: ParameterReader) {
        inputNorm = RMSNorm(reader["input_layernorm"], config.width, epsilon: config.normEpsilon)
        selfAttention = LlamaAttention(config, reader["self_attn"])
        postAttentionNorm = RMSNorm(reader["post_attention_layernorm"], config.width, epsilon: config.normEpsilon)
        feedForward = LlamaFeedForward(config, reader["mlp"])
    }

    /// A layer with its own feed-forward beside another layer's attention.
    init(_ config: LlamaConfig, _ reader: ParameterReader, sharingAttentionOf layer: LlamaLayer) {
        inputNorm = layer.inputNorm
        selfAttention = layer.selfAttention
        postAttentionNorm = RMSNorm(reader["post_attention_layernorm"], config.width, epsilon: config.normEpsilon)
        feedForward = LlamaFeedForward(config, reader["mlp"])
    }

    func callAsFunction(
        _ x: Tensor,
        _ rotation: (cosines: Tensor, sines: Tensor),
        _ attention: LlamaDecoder.Attention,
        _ remember: (Tensor, Tensor) -> (keys: [Tensor], values: [Tensor])
    ) -> Tensor {
        let attended = selfAttention(
            inputNorm(x),
            rotation,
            isCausal: attention.isCausal,
            adding: x,
            remember
        )
        return feedForward(postAttentionNorm(attended), adding: attended)
    }
}

/// Grouped-query attention (arXiv 2305.13245) with rotary positions.
struct LlamaAttention: Sendable {
    private let heads: Int
    private let keyValueHeads: Int
    private let scale: Float
    private let queries: Linear
    private let keys: Linear
    private let values: Linear
    private let output: Linear

    init(_ config: LlamaConfig, _ reader: ParameterReader) {
        heads = config.heads
        keyValueHeads = config.keyValueHeads
        scale = 1 / Float(config.headWidth).squareRoot()
        let queryWidth = config.heads * config.headWidth
        let keyWidth = config.keyValueHeads * config.headWidth
        let hasBias = config.attentionBias != .none
        queries = Linear(reader["q_proj"], config.width, queryWidth, bias: hasBias)
        keys = Linear(reader["k_proj"], config.width, keyWidth, bias: hasBias)
        values = Linear(reader["v_proj"], config.width, keyWidth, bias: hasBias)
        output = Linear(reader["o_proj"], queryWidth, config.width, bias: config.attentionBias == .all)
    }

    /// [batch, rows, width] → [batch, rows, width]; `remember` gives the keys and values that each item sees.
    func callAsFunction(
        _ x: Tensor,
        _ rotation: (cosines: Tensor, sines: Tensor),
        isCausal: Bool,
        adding residual: Tensor,
        _ remember: (Tensor, Tensor) -> (keys: [Tensor], values: [Tensor])
    ) -> Tensor {
        let q = queries(x).rotated(cosines: rotation.cosines, sines: rotation.sines, heads: heads)
        let k = keys(x).rotated(cosines: rotation.cosines, sines: rotation.sines, heads: keyValueHeads)
        let visible = remember(k, values(x))
        let attended = q.attended(
            keys: visible.keys,
            values: visible.values,
            heads: heads,
            keyValueHeads: keyValueHeads,
            scale: scale,
            causal: isCausal
        )  // [batch, rows, heads × headWidth]
        return output(attended, adding: residual)
    }
}

/// SwiGLU (arXiv 2002.05202): down(silu(gate(x)) × up(x)).
struct LlamaFeedForward: Sendable {
    private let gate: Linear
    private let up: Linear
    private let down: Linear

    init(_ config: LlamaConfig, _ reader: ParameterReader) {
        let bias = config.hasFeedForwardBias
        gate = Linear(reader["gate_proj"], config.width, config.feedForwardWidth, bias: bias)
        up = Linear(reader["up_proj"], config.width, config.feedForwardWidth, bias: bias)
        down = Linear(reader["down_proj"], config.feedForwardWidth, config.width, bias: bias)
    }

    func callAsFunction(_ x: Tensor, adding residual: Tensor) -> Tensor {
        down(up(x).gated(by: gate(x), .silu), adding: residual)
    }
}
