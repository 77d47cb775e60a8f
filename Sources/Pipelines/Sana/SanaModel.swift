import Checkpoints
import Networks
import Samplers
import Tensors

/// The parts of Sana that turn a condition into pictures. Immutable, shared by all runs.
struct SanaModel: Sendable {
    let network: SanaTransformer
    /// Nobody asks for latents of a picture.
    let autoencoder: AutoencoderDCDecoder
    let scheduler: any Scheduler
    let weightBytes: Int
    /// Tells whether a saved run belongs to this model.
    let fingerprint: Fingerprint

    /// - Parameters:
    ///   - weights: of the transformer, where they are not those of the folder
    ///   - decoderWeights: of the autoencoder, likewise
    ///   - kind: nil takes the scheduler that the folder names
    /// - Throws: an error naming the file, tensor or JSON path that can't be used.
    init(
        _ folder: SanaFolder,
        network weights: Checkpoint? = nil,
        autoencoder decoderWeights: Checkpoint? = nil,
        scheduler kind: SchedulerKind? = nil
    ) throws {
        let config = try folder.networkConfig()
        let networkWeights = try weights ?? folder.networkWeights()
        let autoencoderConfig = try folder.autoencoderConfig(for: config)
        let autoencoderWeights = try decoderWeights ?? folder.autoencoderWeights()
        scheduler = try folder.scheduler(kind)
        network = try networkWeights.load { SanaTransformer(config, $0.roundedToBFloat16) }
        autoencoder = try autoencoderWeights.load(keys: AutoencoderDCDecoder.keys) {
            AutoencoderDCDecoder(autoencoderConfig, $0)
        }
        weightBytes = networkWeights.byteCount + autoencoderWeights.byteCount
        var fingerprint = networkWeights.fingerprint
        fingerprint.combine(autoencoderWeights.fingerprint)
        self.fingerprint = fingerprint
    }
}

extension SanaModel: LatentDiffusion {
    var latentChannels: Int { network.config.inputChannels }
    var conditionWidth: Int { network.config.captionWidth }
    var sizeMultiple: Int { autoencoder.config.downscaling }
    var latentMultiple: Int { network.config.patchSize }

    var defaultSize: PictureSize {
        let side = network.config.sampleSize * sizeMultiple
        return PictureSize(width: side, height: side)
    }

    func denoiser(reading conditions: Tensor, rows: [Int]) -> Denoiser {
        let condition = network.keyValues(of: conditions).picking(rows)
        return { [network] latents, timestep in
            network(latents, timesteps: Array(repeating: timestep, count: rows.count), condition: condition)
        }
    }

    func pictures(of latents: Tensor) -> Tensor { autoencoder.decode(latents) }
}
