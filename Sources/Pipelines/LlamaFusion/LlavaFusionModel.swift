import Checkpoints
import Networks
import Samplers

/// The parts of a loaded LlavaFusion model. Immutable but for the base model's cache, shared by all runs.
struct LlavaFusionModel: Sendable {
    /// LLaVA-NeXT, frozen: what it says and what it sees are its own.
    let base: MultimodalLLM
    let painter: FusionPainter
    let scheduler: any Scheduler
    /// Opens an image.
    let boiTokenID: Int
    let weightBytes: Int
    /// Tells whether a saved run belongs to this model.
    let fingerprint: Fingerprint

    init(_ folder: LlavaFusionFolder) throws {
        let config = try folder.config()
        let base = try folder.base.model()
        try folder.check(config, for: base.text.config)
        let weights = try folder.imageSide.weights()
        let autoencoderConfig = try folder.imageSide.autoencoderConfig(for: config.image)
        let autoencoderWeights = try folder.imageSide.autoencoderWeights()
        scheduler = try folder.imageSide.scheduler()
        painter = FusionPainter(
            network: try weights.load(keys: Llama.keys) { reader in
                FusionImageModel(config.image, config.separation, beside: base.text, reader["image_model"])
            },
            autoencoder: try autoencoderWeights.load(keys: AutoencoderKL.keys) { AutoencoderKL(autoencoderConfig, $0) }
        )
        self.base = base
        boiTokenID = config.boiTokenID
        weightBytes = base.weightBytes + weights.byteCount + autoencoderWeights.byteCount
        fingerprint = base.fingerprint.combined(with: weights.fingerprint, autoencoderWeights.fingerprint)
    }
}
