import Checkpoints
import Networks
import Samplers
import Tensors

/// The parts of Stable Diffusion that turn a condition into pictures. Immutable, shared by all runs.
struct StableDiffusionModel: Sendable {
    let network: UNet2DCondition
    let autoencoder: AutoencoderKL
    let scheduler: any Scheduler
    let weightBytes: Int
    /// Tells whether a saved run belongs to this model.
    let fingerprint: Fingerprint

    /// - Parameters:
    ///   - weights: of the UNet, where they are not those of the folder
    ///   - decoderWeights: of the autoencoder, likewise
    ///   - kind: nil takes the scheduler that the folder names
    /// - Throws: an error naming the file, tensor or JSON path that can't be used.
    init(
        _ folder: StableDiffusionFolder,
        network weights: Checkpoint? = nil,
        autoencoder decoderWeights: Checkpoint? = nil,
        scheduler kind: SchedulerKind? = nil
    ) throws {
        let config = try folder.networkConfig()
        let networkWeights = try weights ?? folder.networkWeights()
        let autoencoderConfig = try folder.autoencoderConfig(for: config)
        let autoencoderWeights = try decoderWeights ?? folder.autoencoderWeights()
        scheduler = try folder.scheduler(kind)
        network = try networkWeights.load { UNet2DCondition(config, $0) }
        autoencoder = try autoencoderWeights.load(keys: AutoencoderKL.keys) { AutoencoderKL(autoencoderConfig, $0) }
        weightBytes = networkWeights.byteCount + autoencoderWeights.byteCount
        var fingerprint = networkWeights.fingerprint
        fingerprint.combine(autoencoderWeights.fingerprint)
        self.fingerprint = fingerprint
    }
}

extension StableDiffusionModel: LatentDiffusion {
    var latentChannels: Int { network.config.inputChannels }
    var conditionWidth: Int { network.config.conditionWidth }
    var sizeMultiple: Int { autoencoder.config.downscaling }
    var latentMultiple: Int { 1 << (network.config.blocks.count - 1) }

    var defaultSize: PictureSize {
        PictureSize(
            width: network.config.sampleWidth * sizeMultiple,
            height: network.config.sampleHeight * sizeMultiple
        )
    }

    func denoiser(reading conditions: Tensor, rows: [Int]) -> Denoiser {
        let condition = network.keyValues(of: conditions).picking(rows)
        return { [network] latents, timestep in
            network(latents, timesteps: Array(repeating: timestep, count: rows.count), condition: condition)
        }
    }

    func pictures(of latents: Tensor) -> Tensor { autoencoder.decode(latents) }
}
