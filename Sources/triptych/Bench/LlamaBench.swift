import Checkpoints
import Networks
import Tensors

/// A language model: 512 tokens of prompt, then one token at a time behind them.
///
/// A pass is timed in two parts: the layers, which stand for all of them when fewer are built, and the head, which is
/// always whole.
struct LlamaBench {
    /// Of the published model.
    let layers: Int
    /// The model's `config.json` without the number of layers and the braces.
    private let keys: String

    private static let tokens = 512

    static let llama8B = LlamaBench(
        layers: 32,
        keys: """
            "vocab_size": 128256, "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
            "intermediate_size": 14336, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "max_position_embeddings": 8192,
            "tie_word_embeddings": false
            """
    )

    /// Qwen2 0.5B, the language model of LLaVA-OneVision 0.5B.
    static let qwen2Small = LlamaBench(
        layers: 24,
        keys: """
            "model_type": "qwen2", "vocab_size": 151936, "hidden_size": 896, "num_attention_heads": 14,
            "num_key_value_heads": 2, "intermediate_size": 4864, "rope_theta": 1000000.0, "tie_word_embeddings": true
            """
    )

    /// The language model of Qwen2.5-VL 3B.
    static let qwen25VL3B = LlamaBench(
        layers: 36,
        keys: """
            "model_type": "qwen2_5_vl", "vocab_size": 151936, "hidden_size": 2048, "num_attention_heads": 16,
            "num_key_value_heads": 2, "intermediate_size": 11008, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
            "rope_scaling": {"type": "default", "mrope_section": [16, 24, 24]}, "tie_word_embeddings": true
            """
    )

    /// The model's `config.json` with fewer layers.
    func json(layers: Int) -> String { "{\(keys), \"num_hidden_layers\": \(layers)}" }

    /// Reproducible ids of a vocabulary.
    static func prompt(_ count: Int, of config: LlamaConfig) -> [Int] {
        (0..<count).map { ($0 * 7919) % config.vocabularySize }
    }

    func measure(_ options: BenchOptions) throws -> [Measurement] {
        let tokens = Self.tokens
        let (layers, factor) = try options.scaled(layers)
        let config: LlamaConfig = try configuration(json(layers: layers))
        let parameters = RandomParameters(dtype: options.dtype)
        let network = Llama(config, parameters.reader)
        let prompt = Self.prompt(tokens, of: config)

        func pass(_ ids: [Int], _ caches: inout [KeyValueCache]) -> Double {
            var hidden = Tensor.zeros([0])
            let inLayers = seconds { hidden = network([ids], caches: &caches) }
            let inHead = seconds { _ = network.logits(hidden.lastRow) }
            return inLayers * factor + inHead
        }
        // Room for every token to come, so that decoding starts behind the prompt without copying it.
        var caches: [KeyValueCache] = []
        let prefill = samples(options.runs) {
            caches = [config.cache(capacity: tokens + 1 + options.runs)]
            return pass(prompt, &caches)
        }
        // A token reads one row of the embedding table, unless the table is the head as well.
        let read = parameters.held.filter { config.tiesHead || $0.name != "model.embed_tokens.weight" }
        let memory = MemoryRead(read)
        let layerBytes = memory.byteCount { $0.hasPrefix("model.layers.") }
        let scaledBytes = Double(memory.byteCount) + Double(layerBytes) * (factor - 1)
        var reads: [Double] = []
        let decode = samples(options.runs) {
            reads.append(memory.seconds() * scaledBytes / Double(memory.byteCount))
            return pass([17], &caches)
        }

        let headGflop = 2e-9 * Double(config.width * config.vocabularySize)
        return [
            Measurement(
                name: "prefill",
                samples: prefill,
                tokens: tokens,
                gflop: config.gflop(rows: tokens, behind: 0) * factor + headGflop,
                weightBytes: parameters.byteCount
            ),
            Measurement(
                name: "decode",
                samples: decode,
                tokens: 1,
                gflop: config.gflop(rows: 1, behind: tokens) * factor + headGflop,
                weightBytes: parameters.byteCount
            ),
            Measurement(name: "memory-read", samples: Array(reads.dropFirst()), weightBytes: parameters.byteCount),
        ]
    }
}

extension LlamaConfig {
    /// Billions of multiplications and additions of the layers for `rows` tokens behind `behind` others.
    func gflop(rows: Int, behind: Int) -> Double {
        let projections = 2 * width * (heads + keyValueHeads) * headWidth + 3 * width * feedForwardWidth
        let attention = 2 * heads * headWidth * (behind + rows)
        return 2e-9 * Double(layers) * Double(rows) * Double(projections + attention)
    }
}

extension Tensor {
    /// [1, rows, width] → its last row, [1, 1, width]
    fileprivate var lastRow: Tensor {
        reshaped([shape[1], shape[2]])[(shape[1] - 1)..<shape[1]].reshaped([1, 1, shape[2]])
    }
}
