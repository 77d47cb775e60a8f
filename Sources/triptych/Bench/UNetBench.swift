import ArgumentParser
import Checkpoints
import Networks
import Tensors

/// Stable Diffusion 1.5's UNet: one denoise step at 64 × 64 latents, both guidance branches, with the keys and values of
/// 77 condition tokens made beforehand as in a run.
enum UNetBench {
    /// Billions of multiplications and additions in convolutions, projections and attention.
    private static let gflop = 1607.0

    static func measure(_ options: BenchOptions) throws -> [Measurement] {
        let config: UNet2DConditionConfig = try configuration(
            """
            {"in_channels": 4, "out_channels": 4, "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2,
             "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
             "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
             "attention_head_dim": 8, "cross_attention_dim": 768, "norm_num_groups": 32}
            """
        )
        guard options.layers == nil else { throw ValidationError("--layers is for language models") }
        let parameters = RandomParameters(dtype: options.dtype)
        let network = UNet2DCondition(config, parameters.reader)
        let condition = network.keyValues(of: .random([2, 77, config.conditionWidth]))
        let latents = Tensor.random([2, config.sampleHeight, config.sampleWidth, config.inputChannels])
        let step = samples(options.runs) {
            seconds { _ = network(latents, timesteps: [500, 500], condition: condition) }
        }
        return [Measurement(name: "step", samples: step, gflop: gflop, weightBytes: parameters.byteCount)]
    }
}
