import Checkpoints
import Foundation
import Samplers

/// A diffusion model's folder in diffusers' layout: the denoiser, `vae/` and `scheduler/`. Its text encoder is not read:
/// conditions come from elsewhere.
protocol LatentDiffusionFolder: Sendable {
    /// The denoiser's subfolder; it tells the kinds of folder apart.
    static var network: String { get }

    var url: URL { get }

    init(url: URL)

    /// What the configurations say, which must fit each other.
    func shape() throws -> LatentDiffusionShape

    /// The model with these weights in place of the folder's.
    func model(
        network: Checkpoint?,
        autoencoder: Checkpoint?,
        scheduler: SchedulerKind?
    ) throws -> any LatentDiffusion

    /// Notes what keeps a model from being built from these weights, without reading them.
    func check(network: Checkpoint, autoencoder: Checkpoint, _ report: inout CheckReport)
}

/// What of a latent diffusion model others have to fit.
struct LatentDiffusionShape: Equatable, Sendable {
    var conditionWidth: Int
    var latentChannels: Int
    /// Pixels a latent position stands for, along each side.
    var downscaling: Int
}

extension LatentDiffusionFolder {
    var networkURL: URL { url.appending(path: Self.network) }
    var autoencoderURL: URL { url.appending(path: "vae") }
    var autoencoderConfigURL: URL { autoencoderURL.appending(path: "config.json") }

    func networkWeights() throws -> Checkpoint { try Checkpoint(networkURL) }

    func autoencoderWeights() throws -> Checkpoint { try Checkpoint(autoencoderURL) }

    /// - Throws: an error unless the autoencoder's latents have the channels that the denoiser reads and predicts.
    func requireLatents(of channels: Int, reading: Int, predicting: Int, by denoiser: String) throws(CheckpointError) {
        guard reading == channels, predicting == channels else {
            throw .configuration(
                file: autoencoderConfigURL.path,
                path: "latent_channels",
                reason: "\(channels), but the \(denoiser) reads \(reading) and predicts \(predicting)"
            )
        }
    }

    /// - Parameter kind: nil takes the one that the file names
    func scheduler(_ kind: SchedulerKind? = nil) throws -> any Scheduler {
        try SchedulerConfiguration.scheduler(ofModelAt: url, kind)
    }
}

/// The kinds of folder there are.
enum LatentDiffusionFolders {
    private static let kinds: [any LatentDiffusionFolder.Type] = [StableDiffusionFolder.self, SanaFolder.self]

    /// - Throws: `CheckpointError` where none of them is here
    static func folder(_ url: URL) throws(CheckpointError) -> any LatentDiffusionFolder {
        let kind = kinds.first { kind in
            let config = url.appending(path: kind.network).appending(path: "config.json")
            return FileManager.default.fileExists(atPath: config.path)
        }
        guard let kind else {
            let names = kinds.map { "\($0.network)/config.json" }.joined(separator: " or ")
            throw .unreadableFile(file: url.path, reason: "holds no \(names)")
        }
        return kind.init(url: url)
    }
}
