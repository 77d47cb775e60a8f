import Checkpoints
import Foundation
import Samplers

/// A diffusion model's folder in diffusers' layout: the denoiser, `vae/` and `scheduler/`. Its text encoder is not read:
/// conditions come from elsewhere.
protocol LatentDiffusionFolder: Sendable {
    associatedtype Network: LatentDenoiser
    /// Nobody asks for latents of a picture.
    associatedtype Autoencoder: LatentDecoder

    /// The denoiser's; it tells the kinds of folder apart.
    static var subfolder: String { get }
    /// The denoiser, as messages call it.
    static var networkName: String { get }

    var url: URL { get }

    init(url: URL)

    /// What the denoiser is, in a few words.
    static func summary(of config: Network.Config) -> String

    /// The denoiser's weights as they are computed with, where that is not how they are stored.
    static func computed(_ reader: ParameterReader) -> ParameterReader
}

/// What of a latent diffusion model others have to fit.
struct LatentDiffusionShape: Equatable, Sendable {
    var conditionWidth: Int
    var latentChannels: Int
    /// Pixels a latent position stands for, along each side.
    var downscaling: Int
}

extension LatentDiffusionFolder {
    private var networkURL: URL { url.appending(path: Self.subfolder) }
    private var autoencoderURL: URL { url.appending(path: "vae") }

    static func computed(_ reader: ParameterReader) -> ParameterReader { reader }

    func networkWeights() throws -> Checkpoint { try Checkpoint(networkURL) }

    func autoencoderWeights() throws -> Checkpoint { try Checkpoint(autoencoderURL) }

    func networkConfig() throws -> Network.Config {
        try ConfigurationFile.decode(Network.Config.self, at: networkURL.appending(path: "config.json"))
    }

    /// - Throws: an error also where the autoencoder's latents are not those that the network reads and predicts.
    func autoencoderConfig(for network: Network.Config) throws -> Autoencoder.Config {
        let file = autoencoderURL.appending(path: "config.json")
        let config = try ConfigurationFile.decode(Autoencoder.Config.self, at: file)
        let (channels, read, predicted) = (config.latentChannels, network.inputChannels, network.outputChannels)
        guard read == channels, predicted == channels else {
            throw CheckpointError.configuration(
                file: file.path,
                path: "latent_channels",
                reason: "\(channels), but the \(Self.networkName) reads \(read) and predicts \(predicted)"
            )
        }
        return config
    }

    /// What the configurations say, which must fit each other.
    func shape() throws -> LatentDiffusionShape {
        let network = try networkConfig()
        let autoencoder = try autoencoderConfig(for: network)
        return LatentDiffusionShape(
            conditionWidth: network.conditionWidth,
            latentChannels: autoencoder.latentChannels,
            downscaling: autoencoder.downscaling
        )
    }

    /// - Parameter kind: nil takes the one that the file names
    func scheduler(_ kind: SchedulerKind? = nil) throws -> any Scheduler {
        try SchedulerConfiguration.scheduler(ofModelAt: url, kind)
    }

    /// The model with these weights in place of the folder's.
    func model(
        network: Checkpoint?,
        autoencoder: Checkpoint?,
        scheduler: SchedulerKind?
    ) throws -> any LatentDiffusion {
        try LatentDiffusionModel(self, network: network, autoencoder: autoencoder, scheduler: scheduler)
    }

    // MARK: Checks

    /// Notes what keeps a model from being built from these weights, without reading them.
    func check(network weights: Checkpoint, autoencoder: Checkpoint, _ report: inout CheckReport) {
        guard let network = report.note(networkConfig) else { return }
        checkNetwork(weights, network, &report)
        checkAutoencoder(autoencoder, for: network, &report)
    }

    func checkNetwork(_ weights: Checkpoint, _ network: Network.Config, _ report: inout CheckReport) {
        report.add(weights, "\(Self.summary(of: network)), conditions \(network.conditionWidth) wide")
        report.note(weights) { Network(network, $0) }
    }

    func checkAutoencoder(_ weights: Checkpoint, for network: Network.Config, _ report: inout CheckReport) {
        guard let config = report.note({ try autoencoderConfig(for: network) }) else { return }
        let size = network.pictureSize(downscaling: config.downscaling)
        report.add(weights, "autoencoder: pictures of \(size.width)x\(size.height)")
        report.note(weights, Autoencoder.keys) { Autoencoder(config, $0) }
    }
}

/// The kinds of folder there are.
enum LatentDiffusionFolders {
    private static let kinds: [any LatentDiffusionFolder.Type] = [StableDiffusionFolder.self, SanaFolder.self]

    /// - Throws: `CheckpointError` where none of them is here
    static func folder(_ url: URL) throws(CheckpointError) -> any LatentDiffusionFolder {
        let kind = kinds.first { kind in
            let config = url.appending(path: kind.subfolder).appending(path: "config.json")
            return FileManager.default.fileExists(atPath: config.path)
        }
        guard let kind else {
            let names = kinds.map { "\($0.subfolder)/config.json" }.joined(separator: " or ")
            throw .unreadableFile(file: url.path, reason: "holds no \(names)")
        }
        return kind.init(url: url)
    }
}
