import Checkpoints
import Foundation
import GoldenData
import Networks
import Tensors
import Testing

/// The tiny networks of the golden data.
enum TestNetworks {
    static let models = ["llamafusion", "llamafusion-shallow", "transfusion"]

    static func folder(_ model: String) -> URL {
        GoldenData.folder.appending(path: model).appending(path: "checkpoint")
    }

    static func llamaFusion(_ model: String) throws -> LlamaFusion {
        let url = folder(model).appending(path: "config.json")
        let config = try ConfigurationFile.decode(LlamaFusionConfig.self, at: url)
        return try Checkpoint(folder(model)).load(keys: LlamaFusion.keys) { LlamaFusion(config, $0) }
    }

    static func autoencoder(_ folder: URL) throws -> AutoencoderKL {
        let config = try ConfigurationFile.decode(AutoencoderKLConfig.self, at: folder.appending(path: "config.json"))
        return try Checkpoint(folder).load(keys: AutoencoderKL.keys) { AutoencoderKL(config, $0) }
    }

    static func prefill(_ network: LlamaFusion, _ ids: [Int]) -> KeyValueCache {
        var caches = [network.config.text.cache()]
        _ = network.text([ids], caches: &caches)
        return caches[0]
    }
}

/// Numbers in −1…1 from a small generator: the same on every machine.
func noise(_ shape: [Int], seed: UInt64) -> Tensor {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1
    let values = (0..<shape.reduce(1, *)).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int32(truncatingIfNeeded: state >> 32)) / Float(Int32.max)
    }
    return Tensor(values, shape: shape)
}

/// Expects a configuration to be refused for one of its keys.
func expectRefusal(of key: String, sourceLocation: SourceLocation = #_sourceLocation, _ decode: () throws -> Void) {
    let error = #expect(throws: CheckpointError.self, "\(key)", sourceLocation: sourceLocation) { try decode() }
    guard case .configuration("config.json", key, _)? = error else {
        Issue.record("\(String(describing: error)) for \(key)", sourceLocation: sourceLocation)
        return
    }
}

extension Tensor {
    /// [channels, height, width] of a reference → [1, height, width, channels]
    var channelsLast: Tensor { permuted([1, 2, 0]).reshaped([1, shape[1], shape[2], shape[0]]) }

    /// [1, height, width, channels] → [channels, height, width]
    var channelsFirst: Tensor { reshaped(Array(shape.dropFirst())).permuted([2, 0, 1]) }

    subscript(item index: Int) -> [Float] { self[index..<(index + 1)].array }
}
