import Checkpoints
import Foundation
import Networks
import Samplers

/// A Stable Diffusion folder in diffusers' layout: `unet/`, `vae/` and `scheduler/`. Its text encoder is not read:
/// conditions come from elsewhere.
struct StableDiffusionFolder {
    let url: URL

    private var networkURL: URL { url.appending(path: "unet") }
    private var autoencoderURL: URL { url.appending(path: "vae") }

    func networkConfig() throws -> UNet2DConditionConfig {
        try ConfigurationFile.decode(UNet2DConditionConfig.self, at: networkURL.appending(path: "config.json"))
    }

    func networkWeights() throws -> Checkpoint { try Checkpoint(networkURL) }

    /// - Throws: an error also where the autoencoder's latents are not those that the network reads and predicts.
    func autoencoderConfig(for network: UNet2DConditionConfig) throws -> AutoencoderKLConfig {
        let file = autoencoderURL.appending(path: "config.json")
        let config = try ConfigurationFile.decode(AutoencoderKLConfig.self, at: file)
        guard [network.inputChannels, network.outputChannels].allSatisfy({ $0 == config.latentChannels }) else {
            let channels = "\(network.inputChannels) and predicts \(network.outputChannels)"
            throw CheckpointError.configuration(
                file: file.path,
                path: "latent_channels",
                reason: "\(config.latentChannels), but the UNet reads \(channels)"
            )
        }
        return config
    }

    func autoencoderWeights() throws -> Checkpoint { try Checkpoint(autoencoderURL) }

    /// - Parameter kind: nil takes the one that the file names
    func scheduler(_ kind: SchedulerKind? = nil) throws -> any Scheduler {
        try SchedulerConfiguration.scheduler(ofModelAt: url, kind)
    }
}
