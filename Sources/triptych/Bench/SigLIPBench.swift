import Checkpoints
import Networks
import Tensors

/// SigLIP so400m at 384 × 384 pixels: one picture through all layers, as MetaMorph sees it.
enum SigLIPBench {
    static func measure(_ options: BenchOptions) throws -> [Measurement] {
        let (layers, factor) = try options.scaled(27)
        let config: SigLIPConfig = try configuration(
            """
            {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": \(layers), "num_attention_heads": 16,
             "image_size": 384, "patch_size": 14}
            """
        )
        let parameters = RandomParameters(dtype: options.dtype)
        let network = SigLIP(config, parameters.reader, output: .hiddenState(layers: layers))
        let picture = Tensor.random([1, config.pictureSize, config.pictureSize, config.channels])
        let forward = samples(options.runs) { seconds { _ = network(picture) } * factor }
        return [
            Measurement(
                name: "forward",
                samples: forward,
                gflop: config.gflop * factor,
                weightBytes: parameters.byteCount
            )
        ]
    }
}

extension VisionEncoderConfig {
    /// Billions of multiplications and additions for one picture.
    fileprivate var gflop: Double {
        let embedding = patchSize * patchSize * channels * width
        let projections = 4 * width * width + 2 * width * feedForwardWidth
        let attention = 2 * patches * width
        return 2e-9 * Double(patches) * Double(embedding + layers * (projections + attention))
    }
}
