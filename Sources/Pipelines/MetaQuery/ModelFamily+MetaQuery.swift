import Checkpoints
import Foundation
import Networks
import Samplers
import Tensors

extension ModelFamily {
    /// MetaQuery checkpoints as the official code saves them.
    static let metaQuery = ModelFamily(
        name: "metaquery",
        load: { entry in try MetaQueryPipeline(MetaQueryModel(MetaQueryFolder(entry)), entry) },
        check: { entry in MetaQueryCheck(MetaQueryFolder(entry)).report }
    )
}

/// Goes through everything that loading needs, each part for itself, and notes what is there and what is wrong, without
/// reading weights.
private struct MetaQueryCheck {
    private(set) var report = CheckReport()

    init(_ folder: MetaQueryFolder) {
        let config = report.note(folder.config)
        let weights = report.note(folder.weights)
        if let weights { _ = report.note { try folder.refuseStrays(in: weights) } }
        guard let config else { return }
        checkLanguageModel(folder, config, weights)
        let diffusion = report.note { try folder.diffusion(for: config) }
        let shape = diffusion.flatMap { diffusion in report.note(diffusion.shape) }
        if let weights, let shape { checkConnector(folder, config, weights, shape) }
        if let diffusion { checkDiffusion(folder, weights, diffusion) }
        // Every part of a checkpoint has the problems of its index and its shards.
        var known: Set<String> = []
        report.problems.removeAll { !known.insert($0).inserted }
    }

    private mutating func checkLanguageModel(
        _ folder: MetaQueryFolder,
        _ config: MetaQueryConfig,
        _ weights: Checkpoint?
    ) {
        guard let base = report.note({ try folder.languageModel(for: config) }) else { return }
        _ = report.note(base.checkParts)
        guard let weights, let joined = report.note({ try folder.languageModelWeights(weights, base) }) else { return }
        report.note(base, joined, addedTokens: config.addedTokens)
    }

    private mutating func checkConnector(
        _ folder: MetaQueryFolder,
        _ config: MetaQueryConfig,
        _ weights: Checkpoint,
        _ shape: LatentDiffusionShape
    ) {
        guard let width = folder.languageModelWidth(of: weights) else { return }
        let connector = report.note {
            try folder.connectorConfig(config, languageModelWidth: width, shape)
        }
        guard let connector else { return }
        let part = folder.connectorWeights(weights)
        report.add(
            part,
            "connector: \(connector.layers) layers, \(connector.encoderWidth) wide, \(config.queries) queries"
        )
        report.note(part) { MetaQueryConnector(connector, $0) }
    }

    private mutating func checkDiffusion(
        _ folder: MetaQueryFolder,
        _ weights: Checkpoint?,
        _ diffusion: any LatentDiffusionFolder
    ) {
        _ = report.note { try diffusion.scheduler(.dpmSolverMultistep) }
        guard let weights else { return }
        let network = report.note { try folder.networkWeights(weights, diffusion) }
        let autoencoder = report.note { try folder.autoencoderWeights(weights, diffusion) }
        if let network, let autoencoder { diffusion.check(network: network, autoencoder: autoencoder, &report) }
    }
}
