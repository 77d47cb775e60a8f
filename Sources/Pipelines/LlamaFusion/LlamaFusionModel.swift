import Checkpoints
import Images
import Networks
import Samplers
import Tensors
import Tokenizers

/// The parts of a loaded LlamaFusion model. Immutable, shared by all runs.
struct LlamaFusionModel: Sendable {
    let network: LlamaFusion
    let autoencoder: AutoencoderKL
    let tokenizer: Tokenizer
    let scheduler: any Scheduler
    let weightBytes: Int
    /// Tells whether a saved run belongs to this model.
    let fingerprint: Fingerprint

    var config: LlamaFusionConfig { network.config }

    /// Side of the pictures it draws and reads.
    var pictureSize: PictureSize {
        let side = config.image.latentSize * autoencoder.config.downscaling
        return PictureSize(width: side, height: side)
    }

    /// - Parameter scheduler: nil takes the one that the checkpoint names
    init(_ folder: LlamaFusionFolder, scheduler kind: SchedulerKind? = nil) throws {
        let config = try folder.config()
        let weights = try folder.weights()
        let autoencoderConfig = try folder.autoencoderConfig(for: config)
        let autoencoderWeights = try folder.autoencoderWeights()
        tokenizer = try folder.tokenizer(for: config)
        scheduler = try folder.scheduler(kind)
        network = try weights.load(keys: LlamaFusion.keys) { LlamaFusion(config, $0) }
        autoencoder = try autoencoderWeights.load(keys: AutoencoderKL.keys) { AutoencoderKL(autoencoderConfig, $0) }
        weightBytes = weights.byteCount + autoencoderWeights.byteCount
        var fingerprint = weights.fingerprint
        fingerprint.combine(Int(truncatingIfNeeded: autoencoderWeights.fingerprint.value))
        self.fingerprint = fingerprint
    }

    // MARK: Sequences

    /// The ids of a user's text: nothing in it ever becomes a control token.
    /// - Throws: `PipelineError.unsupported` where the tokenizer's file has ids that the model lacks.
    func encode(_ text: String) throws -> [Int] {
        let ids = tokenizer.encode(text, addSpecialTokens: false, allowSpecial: false)
        if let unknown = ids.first(where: { $0 >= config.text.vocabularySize }) {
            throw PipelineError.unsupported(reason: "tokenizer.json: id \(unknown) is not in the model's vocabulary")
        }
        return ids
    }

    /// A picture in a sequence: boi, its tokens, eoi.
    func sequence(picture source: Int) -> FusionSequence {
        var sequence = FusionSequence()
        sequence.append([config.boiTokenID])
        sequence.append(picture: source)
        sequence.append([config.eoiTokenID])
        return sequence
    }

    /// Tokens of a sequence, those of pictures included.
    func length(of sequence: FusionSequence) -> Int {
        sequence.tokenCount(pictureTokens: config.image.tokens)
    }

    // MARK: Pictures

    /// Clean latents of a given picture.
    func encode(_ picture: PixelImage) -> Latents {
        Latents(autoencoder.encode(picture.fitted(pictureSize).normalized), item: 0)
    }

    func decode(_ latents: Latents) -> PixelImage {
        PixelImage(normalized: autoencoder.decode(tensor([latents])))
    }

    /// [count, size, size, channels]
    func tensor(_ latents: [Latents]) -> Tensor {
        let size = config.image.latentSize
        return Latents.tensor(latents, channels: config.image.latentChannels, height: size, width: size)
    }

    /// Values in the latents of one picture.
    var latentCount: Int { config.image.latentChannels * config.image.latentSize * config.image.latentSize }
}
