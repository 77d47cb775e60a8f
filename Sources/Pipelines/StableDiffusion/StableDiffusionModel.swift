import Checkpoints
import Images
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
    ///   - kind: nil takes the scheduler that the folder names
    /// - Throws: an error naming the file, tensor or JSON path that can't be used.
    init(
        _ folder: StableDiffusionFolder,
        network weights: Checkpoint? = nil,
        scheduler kind: SchedulerKind? = nil
    ) throws {
        let config = try folder.networkConfig()
        let networkWeights = try weights ?? folder.networkWeights()
        let autoencoderConfig = try folder.autoencoderConfig(for: config)
        let autoencoderWeights = try folder.autoencoderWeights()
        scheduler = try folder.scheduler(kind)
        network = try networkWeights.load { UNet2DCondition(config, $0) }
        autoencoder = try autoencoderWeights.load(keys: AutoencoderKL.keys) { AutoencoderKL(autoencoderConfig, $0) }
        weightBytes = networkWeights.byteCount + autoencoderWeights.byteCount
        var fingerprint = networkWeights.fingerprint
        fingerprint.combine(Int(truncatingIfNeeded: autoencoderWeights.fingerprint.value))
        self.fingerprint = fingerprint
    }

    // MARK: Sizes

    /// What width and height of a picture are multiples of.
    var sizeMultiple: Int { autoencoder.config.downscaling }

    /// The size at which the network was trained.
    var defaultSize: PictureSize {
        PictureSize(
            width: network.config.sampleWidth * sizeMultiple,
            height: network.config.sampleHeight * sizeMultiple
        )
    }

    /// Values in the latents of one picture.
    func latentCount(of size: PictureSize) -> Int {
        network.config.inputChannels * (size.width / sizeMultiple) * (size.height / sizeMultiple)
    }

    // MARK: Pictures

    /// [count, height, width, channels]
    func tensor(_ latents: [Latents], _ size: PictureSize) -> Tensor {
        Latents.tensor(
            latents,
            channels: network.config.inputChannels,
            height: size.height / sizeMultiple,
            width: size.width / sizeMultiple
        )
    }

    func decode(_ latents: Latents, _ size: PictureSize) -> PixelImage {
        PixelImage(normalized: autoencoder.decode(tensor([latents], size)))
    }
}
