import ArgumentParser
import Checkpoints
import Networks
import Tensors

/// Sana's transformer: one denoise step at 16 × 16 latents, both guidance branches, with the keys and values of 256
/// condition tokens made beforehand as in a run.
enum SanaBench {
    /// Sana as it was published, by its number of parameters.
    enum Size {
        case large
        case small

        fileprivate var json: String {
            switch self {
            case .large:
                """
                {"num_layers": 20, "num_attention_heads": 70, "num_cross_attention_heads": 20,
                 "cross_attention_head_dim": 112, "cross_attention_dim": 2240, "caption_channels": 2304, "sample_size": 16}
                """
            case .small:
                """
                {"num_layers": 28, "num_attention_heads": 36, "num_cross_attention_heads": 16,
                 "cross_attention_head_dim": 72, "cross_attention_dim": 1152, "caption_channels": 2304, "sample_size": 16}
                """
            }
        }
    }

    private static let tokens = 256

    static func measure(_ size: Size, _ options: BenchOptions) throws -> [Measurement] {
        guard options.layers == nil else { throw ValidationError("--layers is for language models") }
        let config: SanaTransformerConfig = try configuration(size.json)
        let parameters = RandomParameters(dtype: options.dtype)
        let network = SanaTransformer(config, parameters.reader)
        let condition = network.keyValues(of: .random([2, tokens, config.captionWidth]))
        let latents = Tensor.random([2, config.sampleSize, config.sampleSize, config.inputChannels])
        let step = samples(options.runs) {
            seconds { _ = network(latents, timesteps: [500, 500], condition: condition) }
        }
        return [
            Measurement(name: "step", samples: step, gflop: config.gflop(tokens), weightBytes: parameters.byteCount)
        ]
    }
}

extension SanaTransformerConfig {
    /// Billions of multiplications and additions of both branches, without keys and values of the condition.
    fileprivate func gflop(_ tokens: Int) -> Double {
        let projections = 6 * width * width + 3 * width * feedForwardWidth
        let attention = 2 * headWidth * width + 2 * tokens * width
        let depthwise = 9 * 2 * feedForwardWidth
        return 2e-9 * Double(2 * sampleSize * sampleSize) * Double(layers * (projections + attention + depthwise))
    }
}
