import Checkpoints
import Networks
import Tensors

/// Qwen2.5-VL 3B: a photograph of 640 × 480 pixels through the whole vision transformer, then the language model alone.
enum Qwen25VLBench {
    /// Of the photograph, which is resized to 644 × 476.
    private static let grid = PatchGrid(frames: 1, rows: 34, columns: 46)

    static func measure(_ options: BenchOptions) throws -> [Measurement] {
        let vision = try vision(options)
        // What the vision transformer took doesn't count for the language model.
        Tensor.releaseUnusedMemory()
        return try [vision] + LlamaBench.qwen25VL3B.measure(options)
    }

    private static func vision(_ options: BenchOptions) throws -> Measurement {
        let config: Qwen25VisionConfig = try configuration(
            """
            {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 2048,
             "tokens_per_second": 2}
            """
        )
        let parameters = RandomParameters(dtype: options.dtype)
        let network = Qwen25Vision(config, parameters.reader)
        let patches = Tensor.random([grid.patches, config.patchWidth])
        let forward = samples(options.runs) { seconds { _ = network(patches, grid) } }
        return Measurement(
            name: "vision",
            samples: forward,
            gflop: config.gflop(grid),
            weightBytes: parameters.byteCount
        )
    }
}

extension Qwen25VisionConfig {
    /// Billions of multiplications and additions for one picture; windows count as whole.
    fileprivate func gflop(_ grid: PatchGrid) -> Double {
        let windowSide = windowSize / patchSize
        let windowLayers = layers - fullAttentionLayers.count
        let seen = fullAttentionLayers.count * grid.patches + windowLayers * windowSide * windowSide
        let projections = layers * (4 * width * width + 3 * width * feedForwardWidth)
        let unit = mergeSize * mergeSize
        let merger = unit * width * (unit * width + outputWidth) / unit
        return 2e-9 * Double(grid.patches) * Double(patchWidth * width + projections + 2 * seen * width + merger)
    }
}
