import ArgumentParser
import Checkpoints
import Networks
import Tensors

/// The deep compression autoencoder of Sana 1.0, decoding 512 × 512 pixels: the decoder alone, as a pipeline that only
/// draws loads it.
enum DeepCompressionBench {
    /// Billions of multiplications and additions in the decoder's convolutions and attention.
    private static let gflop = 2092.0

    static func measure(_ options: BenchOptions) throws -> [Measurement] {
        let blocks = """
            ["ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock", "EfficientViTBlock", "EfficientViTBlock"]
            """
        let config: AutoencoderDCConfig = try configuration(
            """
            {"in_channels": 3, "latent_channels": 32, "attention_head_dim": 32, "scaling_factor": 0.41407,
             "encoder_block_types": \(blocks), "decoder_block_types": \(blocks),
             "downsample_block_type": "Conv", "upsample_block_type": "interpolate"}
            """
        )
        guard options.layers == nil else { throw ValidationError("--layers is for language models") }
        let parameters = RandomParameters(dtype: options.dtype)
        let network = AutoencoderDCDecoder(config, parameters.reader)
        let latents = Tensor.random([1, 16, 16, config.latentChannels])
        let decode = samples(options.runs) { seconds { _ = network.decode(latents) } }
        return [Measurement(name: "forward", samples: decode, gflop: gflop, weightBytes: parameters.byteCount)]
    }
}
