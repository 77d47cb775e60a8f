import Checkpoints
import Foundation
import Networks

/// A SigLIP checkpoint: `config.json`, `preprocessor_config.json` and weights, of the whole model or its vision half.
struct SigLIPFolder {
    let url: URL

    func config() throws -> SigLIPConfig {
        try ConfigurationFile.decode(SigLIPConfig.self, at: url.appending(path: "config.json"))
    }

    func weights() throws -> Checkpoint { try Checkpoint(url) }

    /// - Throws: an error also where the pictures are not of the network's size.
    func imageProcessor(for network: SigLIPConfig) throws -> SigLIPImageProcessor {
        let file = url.appending(path: "preprocessor_config.json")
        let processor = try ConfigurationFile.decode(SigLIPImageProcessor.self, at: file)
        guard processor.pictureSize == network.pictureSize else {
            throw CheckpointError.configuration(
                file: file.path,
                path: "size",
                reason: "\(processor.pictureSize) pixels a side, but the network sees \(network.pictureSize)"
            )
        }
        return processor
    }
}
