import Checkpoints
import Images
import Networks
import Tokenizers

/// The parts of a loaded MetaMorph model. Immutable but for the cache, shared by all runs.
struct MetaMorphModel: Sendable {
    let network: MetaMorph
    let tokenizer: Tokenizer
    let markers: MarkerIDs
    let tower: SigLIP
    let imageProcessor: SigLIPImageProcessor
    let reduction: VisualTokenReduction
    let visualizer: Visualizer
    let transcripts = TranscriptCache()
    let weightBytes: Int
    /// Tells whether a saved run belongs to this model.
    let fingerprint: Fingerprint

    var config: MetaMorphConfig { network.config }

    init(_ folder: MetaMorphFolder) throws {
        let config = try folder.config()
        let towerConfig = try folder.tower().config()
        let output = try folder.towerOutput(of: towerConfig, for: config)
        reduction = try folder.reduction(of: towerConfig, for: config)
        imageProcessor = try folder.tower().imageProcessor(for: towerConfig)
        (tokenizer, markers) = try folder.tokenizer(for: config)
        let weights = try folder.weights()
        let towerWeights = try folder.tower().weights()
        network = try weights.load(keys: MetaMorph.keys) { MetaMorph(config, $0, tower: towerConfig) }
        tower = try towerWeights.load { SigLIP(towerConfig, checkpoint: $0, output: output) }
        visualizer = try Visualizer(folder, for: config)
        weightBytes = weights.byteCount + towerWeights.byteCount + visualizer.weightBytes
        fingerprint = weights.fingerprint.combined(with: towerWeights.fingerprint, visualizer.fingerprint)
    }

    /// A picture as the model reads it.
    func encode(_ picture: PixelImage) -> VisualTokens {
        let pixels = imageProcessor(picture, framing: config.padsPictures ? .padded : .stretched)
        return VisualTokens(reduction(tower(pixels)))
    }
}
