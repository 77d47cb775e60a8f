import ArgumentParser
import Checkpoints
import Networks
import Tensors

/// Stable Diffusion 1.5's autoencoder, decoding 512 × 512 pixels.
enum AutoencoderBench {
    /// Billions of multiplications and additions in the decoder's convolutions and attention.
    private static let gflop = 2515.0

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
        let decode = samples(options.runs) { seconds { _ = network.decode(latents) } }
        return [Measurement(name: "forward", samples: decode, gflop: gflop, weightBytes: parameters.byteCount)]
    }
}
