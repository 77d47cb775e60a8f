import Checkpoints

/// The `config.json` of a language model that is built like Llama, or the part of one that describes its text model.
///
/// transformers leaves out of a `text_config` what equals its class's default, so the defaults depend on `model_type`;
/// a file of another type has to name the sizes.
package struct LlamaConfig: Sendable, Equatable, Decodable {
    /// Which projections of the attention have a bias.
    package enum AttentionBias: Sendable, Equatable {
        case none
        /// Queries, keys and values but not the output: Qwen2 (arXiv 2407.10671).
        case queriesKeysValues
        /// All four: `attention_bias`.
        case all
    }

    /// Ids that the language-model head scores.
    package var vocabularySize: Int
    /// Rows of the embedding table behind those of the vocabulary: tokens that were learned later, which can be read and
    /// are never scored. Not in the file; who knows of them sets it.
    package var addedTokens = 0
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
    package var attentionBias: AttentionBias
    package var hasFeedForwardBias: Bool

    private enum CodingKeys: String, CodingKey {
        case modelType = "model_type"
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
        case usesSlidingWindow = "use_sliding_window"
    }

    package init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        let type = try config.decodeIfPresent(String.self, forKey: .modelType) ?? ""
        let defaults = Defaults(modelType: type)
        vocabularySize = try config.integer(.vocabularySize, in: .networkSize, default: defaults.vocabularySize)
        width = try config.integer(.width, in: .networkSize, default: defaults.width)
        layers = try config.integer(.layers, in: 1...1024, default: defaults.layers)
        heads = try config.integer(.heads, in: .networkSize, default: defaults.heads)
        keyValueHeads = try config.integer(.keyValueHeads, in: 1...heads, default: defaults.keyValueHeads ?? heads)
        guard heads % keyValueHeads == 0 else { throw config.invalid(.keyValueHeads, "does not divide \(heads) heads") }
        headWidth = try config.integer(.headWidth, in: 2...4096, default: width / heads)
        guard headWidth.isMultiple(of: 2) else { throw config.invalid(.headWidth, "is odd") }
        feedForwardWidth = try config.integer(.feedForwardWidth, in: .networkSize, default: defaults.feedForwardWidth)
        normEpsilon = try config.number(.normEpsilon, in: 0...1, default: defaults.normEpsilon)
        rotary = try RotaryConfig(fromConfig: decoder, headWidth: headWidth, theta: defaults.theta)
        contextLength = try config.integer(.contextLength, in: 1...(1 << 30), default: defaults.contextLength)
        tiesHead = try config.decodeIfPresent(Bool.self, forKey: .tiesHead) ?? false
        let hasAttentionBias = try config.decodeIfPresent(Bool.self, forKey: .hasAttentionBias) ?? false
        attentionBias = type.hasPrefix("qwen2") ? .queriesKeysValues : hasAttentionBias ? .all : .none
        hasFeedForwardBias = try config.decodeIfPresent(Bool.self, forKey: .hasFeedForwardBias) ?? false
        let activation = try config.decodeIfPresent(String.self, forKey: .activation) ?? "silu"
        guard activation == "silu" else {
            throw config.invalid(.activation, "\"\(activation)\" is not supported (silu)")
        }
        guard try config.decodeIfPresent(Bool.self, forKey: .usesSlidingWindow) != true else {
            throw config.invalid(.usesSlidingWindow, "true is not supported: every token sees all before it")
        }
    }

    /// Rows of the embedding table.
    package var embeddingRows: Int { vocabularySize + addedTokens }

    /// An empty cache for one sequence.
    package func cache(capacity: Int = 0) -> KeyValueCache {
        KeyValueCache(layers: layers, width: keyValueHeads * headWidth, capacity: capacity)
    }
}

/// The defaults of transformers' config classes; nil where a file must say it.
private struct Defaults {
    var vocabularySize: Int?
    var width: Int?
    var layers: Int?
    var heads: Int?
    /// Nil means as many as heads.
    var keyValueHeads: Int?
    var feedForwardWidth: Int?
    var normEpsilon = 1e-6
    var contextLength = 2048
    var theta = 10000.0

    init(modelType: String) {
        switch modelType {
        case "llama":
            (vocabularySize, width, layers, heads, feedForwardWidth) = (32000, 4096, 32, 32, 11008)
        case "qwen2":
            (vocabularySize, width, layers, heads, feedForwardWidth) = (151936, 4096, 32, 32, 22016)
            keyValueHeads = 32
            contextLength = 32768
        case "qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text":
            (vocabularySize, width, layers, heads, feedForwardWidth) = (152064, 8192, 80, 64, 29568)
            keyValueHeads = 8
            normEpsilon = 1e-5
            contextLength = 32768
            theta = 1e6
        default: break
        }
    }
}
