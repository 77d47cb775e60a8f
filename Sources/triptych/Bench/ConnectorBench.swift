import Checkpoints
import Networks
import Tensors

/// MetaQuery's connector behind LLaVA-OneVision 0.5B: the 256 queries of both guidance branches.
enum ConnectorBench {
    private static let branches = 2
    private static let queries = 256

    static func measure(_ options: BenchOptions) throws -> [Measurement] {
        let (layers, factor) = try options.scaled(24)
        let config = MetaQueryConnectorConfig(inputWidth: 896, outputWidth: 2304, layers: layers)
        let parameters = RandomParameters(dtype: options.dtype)
        let network = MetaQueryConnector(config, parameters.reader)
        let hidden = Tensor.random([branches, queries, config.inputWidth])
        let forward = samples(options.runs) {
            var encoded = Tensor.zeros([0])
            let inLayers = seconds { encoded = network.encoded(hidden) }
            return inLayers * factor + seconds { _ = network.projected(encoded) }
        }
        let rows = branches * queries
        return [
            Measurement(
                name: "forward",
                samples: forward,
                gflop: config.layersGflop(rows: rows, queries: queries) * factor + config.projectionGflop(rows: rows),
                weightBytes: parameters.byteCount
            )
        ]
    }
}

extension MetaQueryConnectorConfig {
    /// Billions of multiplications and additions of the encoder for `rows` rows, each of which sees `queries` of them.
    fileprivate func layersGflop(rows: Int, queries: Int) -> Double {
        let projections = 4 * encoderWidth * encoderWidth + 3 * encoderWidth * feedForwardWidth
        return 2e-9 * Double(rows) * Double(layers) * Double(projections + 2 * encoderWidth * queries)
    }

    fileprivate func projectionGflop(rows: Int) -> Double {
        2e-9 * Double(rows) * Double(outputWidth) * Double(inputWidth + outputWidth)
    }
}
