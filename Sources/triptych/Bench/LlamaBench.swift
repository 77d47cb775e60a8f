import Checkpoints
import Networks
import Tensors

/// Llama 3 8B: 512 tokens of prompt, then one token at a time behind them.
///
/// A pass is timed in two parts: the layers, which stand for all of them when fewer are built, and the head, which is
/// always whole.
enum LlamaBench {
    static let layers = 32
    private static let tokens = 512

    /// The `config.json` of Llama 3 8B with fewer layers.
    static func text(layers: Int) -> String {
        """
        {"vocab_size": 128256, "hidden_size": 4096, "num_hidden_layers": \(layers), "num_attention_heads": 32,
         "num_key_value_heads": 8, "intermediate_size": 14336, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
         "max_position_embeddings": 8192, "tie_word_embeddings": false}
        """
    }

    /// Reproducible ids of a vocabulary.
    static func prompt(_ count: Int, of config: LlamaConfig) -> [Int] {
        (0..<count).map { ($0 * 7919) % config.vocabularySize }
    }

    static func measure(_ options: BenchOptions) throws -> [Measurement] {
        let (layers, factor) = try options.scaled(layers)
        let config: LlamaConfig = try configuration(text(layers: layers))
        let parameters = RandomParameters(dtype: options.dtype)
        let network = Llama(config, parameters.reader)
        let prompt = prompt(tokens, of: config)

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
        let memory = MemoryRead(parameters.held.filter { $0.name != "model.embed_tokens.weight" })
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
