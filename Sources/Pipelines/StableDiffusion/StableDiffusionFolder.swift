import Checkpoints
import Foundation
import Networks
import Samplers

/// A Stable Diffusion folder: `unet/`, `vae/` and `scheduler/`.
struct StableDiffusionFolder: LatentDiffusionFolder {
    static let network = "unet"

    let url: URL

    func networkConfig() throws -> UNet2DConditionConfig {
        try ConfigurationFile.decode(UNet2DConditionConfig.self, at: networkURL.appending(path: "config.json"))
    }

    /// - Throws: an error also where the autoencoder's latents are not those that the network reads and predicts.
    func autoencoderConfig(for network: UNet2DConditionConfig) throws -> AutoencoderKLConfig {
        let config = try ConfigurationFile.decode(AutoencoderKLConfig.self, at: autoencoderConfigURL)
        try requireLatents(
            of: config.latentChannels,
            reading: network.inputChannels,
            predicting: network.outputChannels,
            by: "UNet"
        )
        return config
    }

    func shape() throws -> LatentDiffusionShape {
        let network = try networkConfig()
        let autoencoder = try autoencoderConfig(for: network)
        return LatentDiffusionShape(
            conditionWidth: network.conditionWidth,
            latentChannels: autoencoder.latentChannels,
            downscaling: autoencoder.downscaling
        )
    }

    func model(
        network: Checkpoint?,
        autoencoder: Checkpoint?,
        scheduler: SchedulerKind?
    ) throws -> any LatentDiffusion {
        try StableDiffusionModel(self, network: network, autoencoder: autoencoder, scheduler: scheduler)
    }

    func check(network weights: Checkpoint, autoencoder: Checkpoint, _ report: inout CheckReport) {
        guard let network = report.note(networkConfig) else { return }
        checkNetwork(weights, network, &report)
        checkAutoencoder(autoencoder, for: network, &report)
    }

    func checkNetwork(_ weights: Checkpoint, _ network: UNet2DConditionConfig, _ report: inout CheckReport) {
        let resolutions = network.blocks.count
        report.add(weights, "UNet: \(resolutions) resolutions, conditions \(network.conditionWidth) wide")
        report.note(weights) { UNet2DCondition(network, $0) }
    }

    func checkAutoencoder(_ weights: Checkpoint, for network: UNet2DConditionConfig, _ report: inout CheckReport) {
        guard let config = report.note({ try autoencoderConfig(for: network) }) else { return }
        let (width, height) = (network.sampleWidth * config.downscaling, network.sampleHeight * config.downscaling)
        report.add(weights, "autoencoder: pictures of \(width)x\(height)")
        report.note(weights, AutoencoderKL.keys) { AutoencoderKL(config, $0) }
    }
}
