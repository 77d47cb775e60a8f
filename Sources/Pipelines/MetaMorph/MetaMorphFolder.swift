import Checkpoints
import Foundation
import Networks
import Tokenizers

/// Where a MetaMorph model lies: the checkpoint as the official code saves it, and what that loads beside it.
struct MetaMorphFolder {
    /// `config.json`, weights and `tokenizer.json` of the language model.
    let url: URL
    private let entry: ModelEntry

    init(_ entry: ModelEntry) {
        self.entry = entry
        url = entry.path
    }

    // MARK: Language model

    func config() throws -> MetaMorphConfig {
        try ConfigurationFile.decode(MetaMorphConfig.self, at: configFile)
    }

    private var configFile: URL { url.appending(path: "config.json") }

    func weights() throws -> Checkpoint { try Checkpoint(url) }

    /// - Throws: an error also where the tokenizer has more tokens than the model, or lacks one that is needed.
    func tokenizer(for config: MetaMorphConfig) throws -> (Tokenizer, MarkerIDs) {
        let tokenizer = try Tokenizer(ofModelAt: url, vocabularySize: config.text.vocabularySize)
        do {
            return (tokenizer, try MarkerIDs(tokenizer))
        } catch let error as MarkerIDs.MissingToken {
            let file = url.appending(path: "tokenizer.json")
            throw CheckpointError.malformedFile(file: file.path, reason: "has no token \(error.token)")
        }
    }

    // MARK: Vision tower

    func tower() throws -> SigLIPFolder {
        SigLIPFolder(url: try configured(entry.visionTower, "vision_tower", "the folder of the SigLIP tower"))
    }

    /// The state of the tower that the model reads.
    func towerOutput(of tower: SigLIPConfig, for config: MetaMorphConfig) throws -> SigLIP.Output {
        guard tower.width == config.visionWidth else {
            throw invalid("mm_hidden_size", "\(config.visionWidth), but the vision tower is \(tower.width) wide")
        }
        guard let output = tower.hiddenState(config.selectedLayer) else {
            let reason = "\(config.selectedLayer), but the vision tower has \(tower.layers) layers"
            throw invalid("mm_vision_select_layer", reason)
        }
        return output
    }

    func reduction(of tower: SigLIPConfig, for config: MetaMorphConfig) throws -> VisualTokenReduction {
        guard config.interpolates || config.visualTokens == tower.patches else {
            let reason = "\"none\", but \(tower.patches) patches are to become \(config.visualTokens) tokens"
            throw invalid("image_token_reduction", reason)
        }
        guard
            let reduction = VisualTokenReduction(
                tokens: config.visualTokens,
                isNormalized: config.normalizesVisualTokens
            )
        else { throw invalid("num_image_tokens", "\(config.visualTokens) tokens make no square") }
        return reduction
    }

    private func invalid(_ path: String, _ reason: String) -> CheckpointError {
        .configuration(file: configFile.path, path: path, reason: reason)
    }

    // MARK: Visualizer

    /// The Stable Diffusion folder, whose own UNet is not read.
    func diffusion() throws -> StableDiffusionFolder {
        StableDiffusionFolder(url: try configured(entry.diffusion, "diffusion", "a Stable Diffusion folder"))
    }

    func visualizer() throws -> URL {
        try configured(entry.visualizer, "visualizer", "the folder of unet_checkpoint.pt and adapter_checkpoint.pt")
    }

    /// The UNet that was tuned to read visual tokens.
    func rendererWeights() throws -> Checkpoint { try checkpoint("unet_checkpoint") }

    func adapterWeights() throws -> Checkpoint { try checkpoint("adapter_checkpoint") }

    /// The adapter stands between the language model's visual tokens and the UNet's condition.
    /// - Throws: an error also where it doesn't fit those two, as far as they are known.
    func adapterConfig(
        for config: MetaMorphConfig?,
        _ network: UNet2DConditionConfig?
    ) throws -> VisualizerAdapterConfig {
        let file = try visualizer().appending(path: "model_config.json")
        let adapter = try ConfigurationFile.decode(VisualizerAdapterConfig.self, at: file)
        if let config, adapter.inputWidth != config.visionWidth {
            let reason = "\(adapter.inputWidth), but visual tokens are \(config.visionWidth) wide"
            throw CheckpointError.configuration(file: file.path, path: "input_dim", reason: reason)
        }
        if let network, adapter.outputWidth != network.conditionWidth {
            let reason = "\(adapter.outputWidth), but the UNet reads conditions \(network.conditionWidth) wide"
            throw CheckpointError.configuration(file: file.path, path: "output_dim", reason: reason)
        }
        return adapter
    }

    private func checkpoint(_ name: String) throws -> Checkpoint {
        try Checkpoint(visualizer(), file: name, stateDict: "model_state_dict")
    }

    // MARK: Entry

    private func configured(_ folder: URL?, _ key: String, _ meaning: String) throws -> URL {
        guard let folder else {
            throw PipelineError.unsupported(reason: "\(key): is not set; it names \(meaning)")
        }
        return folder
    }

    /// The newest of the folders that a running training leaves behind, `checkpoint-` and a number of steps.
    var lastTrainingCheckpoint: String? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        let steps = names.filter { $0.hasPrefix("checkpoint-") }.compactMap { Int($0.dropFirst(11)) }
        return steps.max().map { "checkpoint-\($0)" }
    }
}
