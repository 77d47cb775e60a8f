import Checkpoints
import Foundation
import Networks
import Tensors
import Tokenizers

extension ModelFamily {
    /// MetaMorph checkpoints as the official training code writes them.
    static let metaMorph = ModelFamily(
        name: "metamorph",
        load: { entry in try MetaMorphPipeline(MetaMorphModel(MetaMorphFolder(entry)), entry) },
        check: { entry in MetaMorphCheck(MetaMorphFolder(entry)).report }
    )
}

/// Goes through everything that loading needs, each part for itself, and notes what is there and what is wrong, without
/// reading weights: in a training run that is half finished most of it is missing.
private struct MetaMorphCheck {
    private(set) var report = CheckReport()

    init(_ folder: MetaMorphFolder) {
        let config = report.note { try folder.config() }
        if config == nil, let last = folder.lastTrainingCheckpoint {
            report.problems.append("\(folder.url.path): training has not finished; its last checkpoint is \(last)")
        }
        let tower = checkTower(folder, config)
        checkLanguageModel(folder, config, tower)
        let network = checkDiffusion(folder)
        checkVisualizer(folder, config, network)
    }

    private mutating func checkTower(_ folder: MetaMorphFolder, _ config: MetaMorphConfig?) -> SigLIPConfig? {
        guard let files = report.note({ try folder.tower() }) else { return nil }
        let weights = report.note { try files.weights() }
        guard let tower = report.note({ try files.config() }) else { return nil }
        _ = report.note { try files.imageProcessor(for: tower) }
        // Without the language model's config nobody knows which state is read: all layers are, then.
        var output = SigLIP.Output.hiddenState(layers: tower.layers)
        if let config {
            output = report.note { try folder.towerOutput(of: tower, for: config) } ?? output
            _ = report.note { try folder.reduction(of: tower, for: config) }
        }
        if let weights {
            report.add(weights, "vision tower: \(tower.layers) layers, \(tower.width) wide, \(tower.patches) patches")
            report.note(weights) { SigLIP(tower, checkpoint: $0, output: output) }
        }
        return tower
    }

    private mutating func checkLanguageModel(
        _ folder: MetaMorphFolder,
        _ config: MetaMorphConfig?,
        _ tower: SigLIPConfig?
    ) {
        let weights = report.note { try folder.weights() }
        guard let config else { return }
        if let weights {
            report.add(
                weights,
                "language model: \(config.text.layers) layers, \(config.text.width) wide, "
                    + "\(config.visualTokens) visual tokens a picture"
            )
            var keys = MetaMorph.keys
            // Without the tower nobody knows which keys its copy has.
            if tower == nil { keys.ignoredPrefixes.append("model.vision_tower.") }
            report.note(weights, keys) { MetaMorph(config, $0, tower: tower) }
        }
        if let (tokenizer, _) = report.note({ try folder.tokenizer(for: config) }) {
            report.summary.append("tokenizer: \(tokenizer.vocabularySize) tokens")
        }
    }

    /// - Returns: what the visualizer's UNet looks like
    private mutating func checkDiffusion(_ folder: MetaMorphFolder) -> UNet2DConditionConfig? {
        guard let files = report.note({ try folder.diffusion() }) else { return nil }
        _ = report.note { try files.scheduler() }
        let weights = report.note { try files.autoencoderWeights() }
        guard let network = report.note({ try files.networkConfig() }) else { return nil }
        if let weights {
            files.checkAutoencoder(weights, for: network, &report)
        } else {
            _ = report.note { try files.autoencoderConfig(for: network) }
        }
        return network
    }

    private mutating func checkVisualizer(
        _ folder: MetaMorphFolder,
        _ config: MetaMorphConfig?,
        _ network: UNet2DConditionConfig?
    ) {
        guard report.note({ try folder.visualizer() }) != nil else { return }
        let networkWeights = report.note { try folder.rendererWeights() }
        if let networkWeights, let network {
            try? folder.diffusion().checkNetwork(networkWeights, network, &report)
        }
        let adapterWeights = report.note { try folder.adapterWeights() }
        let adapter = report.note { try folder.adapterConfig(for: config, network) }
        if let adapter, let adapterWeights {
            let widths = "\(adapter.inputWidth) to \(adapter.outputWidth) wide"
            report.add(adapterWeights, "adapter: \(adapter.mode.rawValue), \(widths)")
            report.note(adapterWeights) { VisualizerAdapter(adapter, $0) }
        }
    }
}
