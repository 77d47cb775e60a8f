import Checkpoints
import Networks
import Samplers
import Tokenizers

/// The parts of a loaded LlamaFusion model. Immutable, shared by all runs.
struct LlamaFusionModel: Sendable {
    let network: LlamaFusion
    let painter: FusionPainter
    let tokenizer: Tokenizer
    let scheduler: any Scheduler
    let weightBytes: Int
    /// Tells whether a saved run belongs to this model.
    let fingerprint: Fingerprint

    var config: LlamaFusionConfig { network.config }

    /// - Parameter scheduler: nil takes the one that the checkpoint names
    init(_ folder: LlamaFusionFolder, scheduler kind: SchedulerKind? = nil) throws {
        let config = try folder.config()
        let weights = try folder.weights()
        let autoencoderConfig = try folder.autoencoderConfig(for: config.image)
        let autoencoderWeights = try folder.autoencoderWeights()
        tokenizer = try folder.tokenizer(for: config)
        scheduler = try folder.scheduler(kind)
        network = try weights.load(keys: LlamaFusion.keys) { LlamaFusion(config, $0) }
        painter = FusionPainter(
            network: network.image,
            autoencoder: try autoencoderWeights.load(keys: AutoencoderKL.keys) { AutoencoderKL(autoencoderConfig, $0) }
        )
        weightBytes = weights.byteCount + autoencoderWeights.byteCount
        fingerprint = weights.fingerprint.combined(with: autoencoderWeights.fingerprint)
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
}
