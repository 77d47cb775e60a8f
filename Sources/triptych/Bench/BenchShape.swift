import ArgumentParser
import Foundation
import Tensors

/// The networks that `bench --shape` builds at their real dimensions.
enum BenchShape: String, CaseIterable {
    case sd15UNet = "sd15-unet"
    case sd15VAE = "sd15-vae"
    case sanaLarge = "sana-1.6b"
    case sanaSmall = "sana-0.6b"
    case deepCompression = "dc-ae"
    case siglipSO400M = "siglip-so400m"
    case llama8B = "llama-8b"
    case qwen2Small = "qwen2-0.5b"
    case qwen25VL3B = "qwen2.5-vl-3b"
    case llamaFusion8B = "llamafusion-8b"
    case connector

    /// Builds the network with random weights and measures it.
    func measure(_ options: BenchOptions) throws -> [Measurement] {
        switch self {
        case .sd15UNet: try UNetBench.measure(options)
        case .sd15VAE: try AutoencoderBench.measure(options)
        case .sanaLarge: try SanaBench.measure(.large, options)
        case .sanaSmall: try SanaBench.measure(.small, options)
        case .deepCompression: try DeepCompressionBench.measure(options)
        case .siglipSO400M: try SigLIPBench.measure(options)
        case .llama8B: try LlamaBench.llama8B.measure(options)
        case .qwen2Small: try LlamaBench.qwen2Small.measure(options)
        case .qwen25VL3B: try Qwen25VLBench.measure(options)
        case .llamaFusion8B: try LlamaFusionBench.measure(options)
        case .connector: try ConnectorBench.measure(options)
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

extension Tensor {
    /// Reproducible values in −1…1.
    static func random(_ shape: [Int]) -> Tensor {
        var state: UInt32 = 1
        let values = (0..<shape.reduce(1, *)).map { _ -> Float in
            state = state &* 1_664_525 &+ 1_013_904_223
            return Float(Int32(bitPattern: state)) / 2_147_483_648
        }
        return Tensor(values, shape: shape)
    }
}
