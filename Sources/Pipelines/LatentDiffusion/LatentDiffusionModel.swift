import Checkpoints
import Networks
import Samplers
import Tensors

/// The parts of a latent diffusion model that turn a condition into pictures. Immutable, shared by all runs.
struct LatentDiffusionModel<Folder: LatentDiffusionFolder>: Sendable {
    let network: Folder.Network
    let autoencoder: Folder.Autoencoder
    let scheduler: any Scheduler
    let weightBytes: Int
    /// Tells whether a saved run belongs to this model.
    let fingerprint: Fingerprint

    /// - Parameters:
    ///   - weights: of the denoiser, where they are not those of the folder
    ///   - decoderWeights: of the autoencoder, likewise
    ///   - kind: nil takes the scheduler that the folder names
    /// - Throws: an error naming the file, tensor or JSON path that can't be used.
    init(
        _ folder: Folder,
        network weights: Checkpoint? = nil,
        autoencoder decoderWeights: Checkpoint? = nil,
        scheduler kind: SchedulerKind? = nil
    ) throws {
        let config = try folder.networkConfig()
        let networkWeights = try weights ?? folder.networkWeights()
        let autoencoderConfig = try folder.autoencoderConfig(for: config)
        let autoencoderWeights = try decoderWeights ?? folder.autoencoderWeights()
        scheduler = try folder.scheduler(kind)
        network = try networkWeights.load { Folder.Network(config, Folder.computed($0)) }
        autoencoder = try autoencoderWeights.load(keys: Folder.Autoencoder.keys) {
            Folder.Autoencoder(autoencoderConfig, $0)
        }
        weightBytes = networkWeights.byteCount + autoencoderWeights.byteCount
        fingerprint = networkWeights.fingerprint.combined(with: autoencoderWeights.fingerprint)
    }
}

extension LatentDiffusionModel: LatentDiffusion {
    var latentChannels: Int { network.config.inputChannels }
    var conditionWidth: Int { network.config.conditionWidth }
    var sizeMultiple: Int { autoencoder.config.downscaling }
    var latentMultiple: Int { network.config.latentMultiple }
    var defaultSize: PictureSize { network.config.pictureSize(downscaling: sizeMultiple) }

    func denoiser(reading conditions: Tensor, rows: [Int]) -> Denoiser {
        let condition = network.keyValues(of: conditions).picking(rows)
        return { [network] latents, timestep in
            network(latents, timesteps: Array(repeating: timestep, count: rows.count), condition: condition)
        }
    }

    func pictures(of latents: Tensor) -> Tensor { autoencoder.decode(latents) }
}
