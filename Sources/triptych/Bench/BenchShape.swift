import ArgumentParser
import Checkpoints
import Foundation
import Networks
import Tensors

/// The networks that `bench --shape` builds at their real dimensions.
enum BenchShape: String, CaseIterable, ExpressibleByArgument {
    case sd15VAE = "sd15-vae"
    case llama8B = "llama-8b"
    case llamaFusion8B = "llamafusion-8b"

    /// Names that `--shape` will take when their networks are here.
    static let planned = [
        "sd15-unet", "sana-1.6b", "sana-0.6b", "dc-ae", "siglip-so400m", "connector", "qwen2-0.5b", "qwen2.5-vl-3b",
    ]

    init?(argument: String) { self.init(rawValue: argument) }

    /// Builds the network with random weights and measures it.
    func measure(_ options: BenchOptions) throws -> [Measurement] {
        switch self {
        case .sd15VAE: try AutoencoderBench.measure(options)
        case .llama8B: try LlamaBench.measure(options)
        case .llamaFusion8B: try LlamaFusionBench.measure(options)
        }
    }
}

/// What the flags of `bench --shape` decide.
struct BenchOptions {
    /// Decoder layers to build, instead of all of them.
    var layers: Int?
    var dtype: DType
    var runs: Int

    /// Layers to build out of `total`, and what their time and arithmetic is multiplied by to stand for all.
    func scaled(_ total: Int) throws -> (layers: Int, factor: Double) {
        guard let layers else { return (total, 1) }
        guard (1...total).contains(layers) else {
            throw ValidationError("--layers must be from 1 to \(total), not \(layers)")
        }
        return (layers, Double(total) / Double(layers))
    }
}

/// A network's configuration, written as its checkpoint would have it.
func configuration<Config: Decodable>(_ json: String) throws -> Config {
    try JSONDecoder().decode(Config.self, from: Data(json.utf8))
}

/// Stable Diffusion 1.5's autoencoder, decoding 512 × 512 pixels.
enum AutoencoderBench {
    static func measure(_ options: BenchOptions) throws -> [Measurement] {
        let config: AutoencoderKLConfig = try configuration(
            """
            {"in_channels": 3, "out_channels": 3, "latent_channels": 4, "block_out_channels": [128, 256, 512, 512],
             "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
             "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"],
             "layers_per_block": 2, "norm_num_groups": 32}
            """
        )
        guard options.layers == nil else { throw ValidationError("--layers is for language models") }
        let parameters = RandomParameters(dtype: options.dtype)
        let network = AutoencoderKL(config, parameters.reader)
        let latents = Tensor.random([1, 64, 64, 4])
        let times = samples(options.runs) { _ = network.decode(latents) }
        return [Measurement(name: "forward", samples: times, gflop: 2515, weightBytes: parameters.byteCount)]
    }
}

/// Llama 3 8B: 512 tokens of prompt, then one token at a time behind them.
enum LlamaBench {
    static let tokens = 512
    static let layers = 32

    static func text(layers: Int) -> String {
        """
        {"vocab_size": 128256, "hidden_size": 4096, "num_hidden_layers": \(layers), "num_attention_heads": 32,
         "num_key_value_heads": 8, "intermediate_size": 14336, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
         "max_position_embeddings": 8192, "tie_word_embeddings": false}
        """
    }

    static func measure(_ options: BenchOptions) throws -> [Measurement] {
        let (layers, factor) = try options.scaled(layers)
        let config: LlamaConfig = try configuration(text(layers: layers))
        let parameters = RandomParameters(dtype: options.dtype)
        let network = Llama(config, parameters.reader)
        let prompt = (0..<tokens).map { ($0 * 7919) % config.vocabularySize }

        var prefilled: [KeyValueCache] = []
        let prefill = samples(options.runs) {
            prefilled = [config.cache()]
            let hidden = network([prompt], caches: &prefilled)
            _ = network.logits(hidden.lastRow)
        }
        // The head runs once a pass, however many layers are built: it is measured alone and kept out of the scaling.
        let row = Tensor.random([1, 1, config.width])
        let head = samples(options.runs) { _ = network.logits(row) }
        let decode = samples(options.runs) {
            var caches = prefilled
            let hidden = network([[17]], caches: &caches)
            _ = network.logits(hidden)
        }
        func scale(_ times: [Double]) -> [Double] { zip(times, head).map { ($0 - $1) * factor + $1 } }

        let headGflop = 2e-9 * Double(config.width * config.vocabularySize)
        return [
            Measurement(
                name: "prefill",
                samples: scale(prefill),
                tokens: tokens,
                gflop: config.gflop(rows: tokens, behind: 0) * factor + headGflop,
                weightBytes: parameters.byteCount
            ),
            Measurement(
                name: "decode",
                samples: scale(decode),
                tokens: 1,
                gflop: config.gflop(rows: 1, behind: tokens) * factor + headGflop,
                weightBytes: parameters.byteCount
            ),
        ]
    }
}

/// LlamaFusion at its paper's dimensions: 256 image tokens behind 64 tokens of text, one guidance branch.
enum LlamaFusionBench {
    static let prefix = 64

    static func measure(_ options: BenchOptions) throws -> [Measurement] {
        let (layers, factor) = try options.scaled(LlamaBench.layers)
        let config: LlamaFusionConfig = try configuration(
            """
            {"separation": "deep", "text_config": \(LlamaBench.text(layers: layers)),
             "image_config": {"patchifier": "unet", "latent_channels": 8, "latent_size": 32, "patch_size": 2,
                              "block_out_channels": [512, 1024], "layers_per_block": 3, "norm_num_groups": 32,
                              "attention_head_dim": 64},
             "bos_token_id": 128000, "eos_token_id": 128001, "boi_token_id": 128002, "eoi_token_id": 128003}
            """
        )
        let parameters = RandomParameters(dtype: options.dtype)
        let network = LlamaFusion(config, parameters.reader)
        let latents = Tensor.random([1, 32, 32, 8])
        let prompt = (0..<prefix).map { ($0 * 7919) % config.text.vocabularySize }
        var caches: [KeyValueCache] = []
        func readPrompt() {
            caches = [config.text.cache()]
            _ = network.text([prompt], caches: &caches)
        }
        let whole = samples(options.runs) {
            readPrompt()
            _ = network.predictNoise(latents, timestep: 500, branches: caches)
        }
        let cached = samples(options.runs) { _ = network.predictNoise(latents, timestep: 500, branches: caches) }
        let image = config.text.gflop(rows: config.image.tokens, behind: prefix)
        let text = config.text.gflop(rows: prefix, behind: 0)
        return [
            Measurement(
                name: "step",
                samples: whole.map { $0 * factor },
                tokens: prefix + config.image.tokens,
                gflop: (image + text) * factor,
                weightBytes: parameters.byteCount
            ),
            Measurement(
                name: "step-cached",
                samples: cached.map { $0 * factor },
                tokens: config.image.tokens,
                gflop: image * factor,
                weightBytes: parameters.byteCount
            ),
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
    /// Reproducible values of unit scale.
    static func random(_ shape: [Int]) -> Tensor {
        var state: UInt32 = 1
        let values = (0..<shape.reduce(1, *)).map { _ -> Float in
            state = state &* 1_664_525 &+ 1_013_904_223
            return Float(Int32(bitPattern: state)) / 2_147_483_648
        }
        return Tensor(values, shape: shape)
    }

    /// [1, rows, width] → its last row, [1, 1, width]
    fileprivate var lastRow: Tensor {
        reshaped([shape[1], shape[2]])[(shape[1] - 1)..<shape[1]].reshaped([1, 1, shape[2]])
    }
}
