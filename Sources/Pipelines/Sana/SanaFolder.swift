import Checkpoints
import Foundation
import Networks
import Samplers

/// A Sana folder: `transformer/`, `vae/` and `scheduler/`.
struct SanaFolder: LatentDiffusionFolder {
    static let network = "transformer"

    let url: URL

    func networkConfig() throws -> SanaTransformerConfig {
        try ConfigurationFile.decode(SanaTransformerConfig.self, at: networkURL.appending(path: "config.json"))
    }

    /// - Throws: an error also where the autoencoder's latents are not those that the network reads and predicts.
    func autoencoderConfig(for network: SanaTransformerConfig) throws -> AutoencoderDCConfig {
        let config = try ConfigurationFile.decode(AutoencoderDCConfig.self, at: autoencoderConfigURL)
        try requireLatents(
            of: config.latentChannels,
            reading: network.inputChannels,
            predicting: network.outputChannels,
            by: "transformer"
        )
        return config
    }

    func shape() throws -> LatentDiffusionShape {
        let network = try networkConfig()
        let autoencoder = try autoencoderConfig(for: network)
        return LatentDiffusionShape(
            conditionWidth: network.captionWidth,
            latentChannels: autoencoder.latentChannels,
            downscaling: autoencoder.downscaling
        )
    }

    func model(
        network: Checkpoint?,
        autoencoder: Checkpoint?,
        scheduler: SchedulerKind?
    ) throws -> any LatentDiffusion {
        try SanaModel(self, network: network, autoencoder: autoencoder, scheduler: scheduler)
    }

    func check(network weights: Checkpoint, autoencoder: Checkpoint, _ report: inout CheckReport) {
        guard let network = report.note(networkConfig) else { return }
        report.add(weights, "Sana: \(network.layers) layers, conditions \(network.captionWidth) wide")
        report.note(weights) { SanaTransformer(network, $0) }
        guard let config = report.note({ try autoencoderConfig(for: network) }) else { return }
        let side = network.sampleSize * config.downscaling
        report.add(autoencoder, "autoencoder: pictures of \(side)x\(side)")
        report.note(autoencoder, AutoencoderDCDecoder.keys) { AutoencoderDCDecoder(config, $0) }
    }
}
