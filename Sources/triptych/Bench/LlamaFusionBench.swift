import Checkpoints
import Networks
import Tensors

/// LlamaFusion at its paper's dimensions: 256 image tokens behind 64 tokens of text, one guidance branch.
///
/// `step` reads the text anew, `step-cached` finds it in the cache. The patchifier runs once whatever the number of
/// layers is, so it is measured alone, and only the rest of a step is scaled.
enum LlamaFusionBench {
    private static let prefix = 64
    private static let latents = Tensor.random([1, 32, 32, 8])
    /// Billions of multiplications and additions in the patchifier's halves.
    private static let patchifierGflop = 227.0

    static func measure(_ options: BenchOptions) throws -> [Measurement] {
        let (layers, factor) = try options.scaled(LlamaBench.llama8B.layers)
        let patchifier = try factor == 1 ? 0 : patchifierSeconds(options)
        let config: LlamaFusionConfig = try configuration(json(text: LlamaBench.llama8B.json(layers: layers)))
        let parameters = RandomParameters(dtype: options.dtype)
        let network = LlamaFusion(config, parameters.reader)
        let prompt = LlamaBench.prompt(prefix, of: config.text)
        var caches: [KeyValueCache] = []
        func predictNoise() { _ = network.predictNoise(latents, timestep: 500, branches: caches) }
        func scaled(_ seconds: Double) -> Double { patchifier + (seconds - patchifier) * factor }

        let whole = samples(options.runs) {
            let seconds = seconds {
                caches = [config.text.cache()]
                _ = network.text([prompt], caches: &caches)
                predictNoise()
            }
            return scaled(seconds)
        }
        let cached = samples(options.runs) { scaled(seconds(predictNoise)) }
        let image = config.text.gflop(rows: config.image.tokens, behind: prefix) * factor + patchifierGflop
        let text = config.text.gflop(rows: prefix, behind: 0) * factor
        return [
            Measurement(
                name: "step",
                samples: whole,
                tokens: prefix + config.image.tokens,
                gflop: image + text,
                weightBytes: parameters.byteCount
            ),
            Measurement(
                name: "step-cached",
                samples: cached,
                tokens: config.image.tokens,
                gflop: image,
                weightBytes: parameters.byteCount
            ),
        ]
    }

    private static func json(text: String) -> String {
        """
        {"separation": "deep", "text_config": \(text),
         "image_config": {"patchifier": "unet", "latent_channels": 8, "latent_size": 32, "patch_size": 2,
                          "block_out_channels": [512, 1024], "layers_per_block": 3, "norm_num_groups": 32,
                          "attention_head_dim": 64},
         "bos_token_id": 0, "eos_token_id": 1, "boi_token_id": 2, "eoi_token_id": 3}
        """
    }

    /// Median seconds of a step whose decoder has next to nothing to do.
    private static func patchifierSeconds(_ options: BenchOptions) throws -> Double {
        let text = """
            {"vocab_size": 4, "hidden_size": 4096, "num_hidden_layers": 1, "num_attention_heads": 1, "head_dim": 2,
             "intermediate_size": 1}
            """
        let config: LlamaFusionConfig = try configuration(json(text: text))
        let network = LlamaFusion(config, RandomParameters(dtype: options.dtype).reader)
        let caches = [config.text.cache()]
        defer { Tensor.releaseUnusedMemory() }
        return samples(options.runs) {
            seconds { _ = network.predictNoise(latents, timestep: 500, branches: caches) }
        }.median
    }
}
