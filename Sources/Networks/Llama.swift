package import Checkpoints
package import Tensors

/// Llama (arXiv 2302.13971, 2407.21783) and Qwen2 (arXiv 2407.10671): token embedding, decoder, language-model head.
package struct Llama: Sendable {
    package let config: LlamaConfig
    let embedTokens: Embedding
    let decoder: LlamaDecoder
    private let head: Linear?

    /// Buffers that older checkpoints saved beside the weights.
    package static let keys = KeyTable(ignoredSuffixes: ["rotary_emb.inv_freq"])

    /// - Parameter hasHead: false where the checkpoint ends with the final norm; a tied head is there all the same
    package init(_ config: LlamaConfig, _ reader: ParameterReader, hasHead: Bool = true) {
        let model = reader["model"]
        self.config = config
        embedTokens = Embedding(model["embed_tokens"], count: config.embeddingRows, width: config.width)
        decoder = LlamaDecoder(
            layers: (0..<config.layers).map { LlamaLayer(config, model["layers"][$0]) },
            norm: RMSNorm(model["norm"], config.width, epsilon: config.normEpsilon),
            rotary: RotaryEmbedding(config.rotary, headWidth: config.headWidth)
        )
        if hasHead && !config.tiesHead {
            head = Linear(reader["lm_head"], config.width, config.vocabularySize, bias: false)
        } else {
            // While keys are accounted for, the table is a placeholder of one row.
            let rows = min(config.vocabularySize, embedTokens.table.shape[0])
            head = config.tiesHead ? Linear(sharing: embedTokens.table.rows(0..<rows)) : nil
            reader["lm_head"].discard("weight")
        }
    }

    /// One pass of text, causal: [batch][rows] ids behind what the caches hold → [batch, rows, width] before the final norm.
    /// - Parameter positions: where the rows stand; nil means behind what the caches hold, one by one
    package func callAsFunction(
        _ ids: [[Int]],
        positions: RotaryPositions? = nil,
        caches: inout [KeyValueCache]
    ) -> Tensor {
        self(embedded(ids), positions: positions, caches: &caches)
    }

    /// The same for rows that are not all of text: [batch, rows, width]
    package func callAsFunction(
        _ x: Tensor,
        positions: RotaryPositions? = nil,
        caches: inout [KeyValueCache]
    ) -> Tensor {
        decoder(x, positions: positions, caches: &caches, attention: .causal)
    }

    /// [batch][rows] ids of the embedding table → [batch, rows, width]
    package func embedded(_ ids: [[Int]]) -> Tensor { embedTokens(ids) }

    /// The final norm: [batch, rows, width] → [batch, rows, width]
    package func normalized(_ hidden: Tensor) -> Tensor { decoder.norm(hidden) }

    /// Whether `logits` can be asked for.
    package var hasHead: Bool { head != nil }

    /// [batch, rows, width] before the final norm → [batch, rows, vocabulary]
    package func logits(_ hidden: Tensor) -> Tensor {
        logits(normalized: decoder.norm(hidden))
    }

    /// [batch, rows, width] after the final norm → [batch, rows, vocabulary]
    package func logits(normalized: Tensor) -> Tensor {
        guard let head else { preconditionFailure("this language model has no head") }
        return head(normalized)
    }
}
