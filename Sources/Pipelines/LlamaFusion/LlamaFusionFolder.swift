import Checkpoints
import Foundation
import Networks
import Samplers
import Tokenizers

/// A LlamaFusion checkpoint: `config.json`, weights, `tokenizer.json`, `vae/` and `scheduler/`.
struct LlamaFusionFolder {
    let url: URL

    private var autoencoderURL: URL { url.appending(path: "vae") }

    func config() throws -> LlamaFusionConfig {
        try ConfigurationFile.decode(LlamaFusionConfig.self, at: url.appending(path: "config.json"))
    }

    func weights() throws -> Checkpoint { try Checkpoint(url) }

    /// - Throws: an error also where the autoencoder's latents are not those of the model.
    func autoencoderConfig(for image: PatchifierConfig) throws -> AutoencoderKLConfig {
        let file = autoencoderURL.appending(path: "config.json")
        let config = try ConfigurationFile.decode(AutoencoderKLConfig.self, at: file)
        guard config.latentChannels == image.latentChannels else {
            throw CheckpointError.configuration(
                file: file.path,
                path: "latent_channels",
                reason: "\(config.latentChannels), but the model draws \(image.latentChannels)"
            )
        }
        return config
    }

    func autoencoderWeights() throws -> Checkpoint { try Checkpoint(autoencoderURL) }

    /// Notes what keeps the autoencoder from being built, without reading weights.
    func checkAutoencoder(for image: PatchifierConfig, _ report: inout CheckReport) {
        let config = report.note { try autoencoderConfig(for: image) }
        let weights = report.note { try autoencoderWeights() }
        guard let config, let weights else { return }
        let side = image.latentSize * config.downscaling
        report.add(weights, "autoencoder: \(side)x\(side) pictures, \(image.tokens) tokens each")
        report.note(weights, AutoencoderKL.keys) { AutoencoderKL(config, $0) }
    }

    func tokenizer(for model: LlamaFusionConfig) throws -> Tokenizer {
        try Tokenizer(ofModelAt: url, vocabularySize: model.text.vocabularySize)
    }

    /// - Parameter kind: nil takes the one that the file names
    func scheduler(_ kind: SchedulerKind? = nil) throws -> any Scheduler {
        try SchedulerConfiguration.scheduler(ofModelAt: url, kind)
    }
}
