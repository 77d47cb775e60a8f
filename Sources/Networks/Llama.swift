package import Checkpoints
package import Tensors

/// The `config.json` of a Llama language model.
package struct LlamaConfig: Sendable, Equatable, Decodable {
    package var vocabularySize: Int
    package var width: Int
    package var layers: Int
    package var heads: Int
    package var keyValueHeads: Int
    package var headWidth: Int
    package var feedForwardWidth: Int
    package var normEpsilon: Double
    package var rotary: RotaryConfig
    package var contextLength: Int
    package var tiesHead: Bool
    package var hasAttentionBias: Bool
    package var hasFeedForwardBias: Bool

    private enum CodingKeys: String, CodingKey {
        case vocabularySize = "vocab_size"
        case width = "hidden_size"
        case layers = "num_hidden_layers"
        case heads = "num_attention_heads"
        case keyValueHeads = "num_key_value_heads"
        case headWidth = "head_dim"
        case feedForwardWidth = "intermediate_size"
        case normEpsilon = "rms_norm_eps"
        case contextLength = "max_position_embeddings"
        case tiesHead = "tie_word_embeddings"
        case hasAttentionBias = "attention_bias"
        case hasFeedForwardBias = "mlp_bias"
        case activation = "hidden_act"
    }

    package init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        vocabularySize = try config.integer(.vocabularySize, in: .networkSize)
        width = try config.integer(.width, in: .networkSize)
        layers = try config.integer(.layers, in: 1...1024)
        heads = try config.integer(.heads, in: .networkSize)
        keyValueHeads = try config.integer(.keyValueHeads, in: 1...heads, default: heads)
        guard heads % keyValueHeads == 0 else { throw config.invalid(.keyValueHeads, "does not divide \(heads) heads") }
        headWidth = try config.integer(.headWidth, in: 2...4096, default: width / heads)
        guard headWidth.isMultiple(of: 2) else { throw config.invalid(.headWidth, "is odd") }
        feedForwardWidth = try config.integer(.feedForwardWidth, in: .networkSize)
        normEpsilon = try config.number(.normEpsilon, in: 0...1, default: 1e-6)
        rotary = try RotaryConfig(fromConfig: decoder)
        contextLength = try config.integer(.contextLength, in: 1...(1 << 30), default: 2048)
        tiesHead = try config.decodeIfPresent(Bool.self, forKey: .tiesHead) ?? false
        hasAttentionBias = try config.decodeIfPresent(Bool.self, forKey: .hasAttentionBias) ?? false
        hasFeedForwardBias = try config.decodeIfPresent(Bool.self, forKey: .hasFeedForwardBias) ?? false
        let activation = try config.decodeIfPresent(String.self, forKey: .activation) ?? "silu"
        guard activation == "silu" else {
            throw config.invalid(.activation, "\"\(activation)\" is not supported (silu)")
        }
    }

    /// An empty cache for one sequence.
    package func cache(capacity: Int = 0) -> KeyValueCache {
        KeyValueCache(layers: layers, width: keyValueHeads * headWidth, capacity: capacity)
    }
}

/// Llama (arXiv 2302.13971, 2407.21783): token embedding, decoder, language-model head.
package struct Llama: Sendable {
    package let config: LlamaConfig
    let embedTokens: Embedding
    let decoder: LlamaDecoder
    private let head: Linear

    /// Buffers that older checkpoints saved beside the weights.
    package static let keys = KeyTable(ignoredSuffixes: ["rotary_emb.inv_freq"])

    package init(_ config: LlamaConfig, _ reader: ParameterReader) {
        let model = reader["model"]
        self.config = config
        embedTokens = Embedding(model["embed_tokens"], count: config.vocabularySize, width: config.width)
        decoder = LlamaDecoder(
            layers: (0..<config.layers).map { LlamaLayer(config, model["layers"][$0]) },
            norm: RMSNorm(model["norm"], config.width, epsilon: config.normEpsilon),
            rotary: RotaryEmbedding(config.rotary, headWidth: config.headWidth)
        )
        if config.tiesHead {
            head = Linear(sharing: embedTokens.table)
            reader["lm_head"].discard("weight")
        } else {
            head = Linear(reader["lm_head"], config.width, config.vocabularySize, bias: false)
        }
    }

    /// One pass of text, causal: [batch][rows] ids behind what the caches hold → [batch, rows, width] before the final norm.
    package func callAsFunction(_ ids: [[Int]], caches: inout [KeyValueCache]) -> Tensor {
        self(embedded(ids), caches: &caches)
    }

    /// The same for rows that are not all of text: [batch, rows, width]
    package func callAsFunction(_ x: Tensor, caches: inout [KeyValueCache]) -> Tensor {
        decoder(x, caches: &caches, attention: .causal)
    }

    /// [batch][rows] ids → [batch, rows, width]
    package func embedded(_ ids: [[Int]]) -> Tensor { embedTokens(ids) }

    /// The final norm: [batch, rows, width] → [batch, rows, width]
    package func normalized(_ hidden: Tensor) -> Tensor { decoder.norm(hidden) }

    /// [batch, rows, width] before the final norm → [batch, rows, vocabulary]
    package func logits(_ hidden: Tensor) -> Tensor {
        logits(normalized: decoder.norm(hidden))
    }

    /// [batch, rows, width] after the final norm → [batch, rows, vocabulary]
    package func logits(normalized: Tensor) -> Tensor { head(normalized) }
}

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

    /// [batch, rows, width] at the positions behind each item's cache → the same shape, before the final norm.
    func callAsFunction(_ x: Tensor, caches: inout [KeyValueCache], attention: Attention) -> Tensor {
        let rows = x.shape[1]
        let rotation = rotary(starts: caches.map(\.length), rows: rows)
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
        let bias = config.hasAttentionBias
        let queryWidth = config.heads * config.headWidth
        let keyWidth = config.keyValueHeads * config.headWidth
        queries = Linear(reader["q_proj"], config.width, queryWidth, bias: bias)
        keys = Linear(reader["k_proj"], config.width, keyWidth, bias: bias)
        values = Linear(reader["v_proj"], config.width, keyWidth, bias: bias)
        output = Linear(reader["o_proj"], queryWidth, config.width, bias: bias)
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
