import Checkpoints
import Foundation
import Networks
import Tensors

extension ModelFamily {
    /// LlavaFusion checkpoints.
    static let llavaFusion = ModelFamily(
        name: "llavafusion",
        load: { entry in try LlavaFusionPipeline(LlavaFusionModel(LlavaFusionFolder(url: entry.path)), entry) },
        check: { entry in LlavaFusionCheck(LlavaFusionFolder(url: entry.path)).report }
    )
}

/// Goes through everything that loading needs and notes what is wrong, without reading weights.
private struct LlavaFusionCheck {
    private(set) var report = CheckReport()

    init(_ folder: LlavaFusionFolder) {
        let config = report.note { try folder.config() }
        let weights = report.note { try folder.imageSide.weights() }
        let baseWeights = report.note { try folder.base.weights() }
        _ = report.note { try folder.base.checkParts() }
        if let baseWeights { report.add(baseWeights, "base model") }
        if let config, let weights { report.add(weights, "image side: \(config.separation) separation") }
        if let config, let weights, let baseWeights { account(folder, config, weights, baseWeights) }
        if let config { folder.imageSide.checkAutoencoder(for: config.image, &report) }
        _ = report.note { try folder.imageSide.scheduler() }
    }

    /// The image side stands beside a language model, whose weights are accounted for at the same time.
    private mutating func account(
        _ folder: LlavaFusionFolder,
        _ config: LlavaFusionConfig,
        _ weights: Checkpoint,
        _ baseWeights: Checkpoint
    ) {
        var own = CheckReport()
        let problems = report.note {
            try folder.base.problems(baseWeights) { text in
                _ = own.note { try folder.check(config, for: text.config) }
                own.note(weights, Llama.keys) { reader in
                    FusionImageModel(config.image, config.separation, beside: text, reader["image_model"])
                }
            }
        }
        report.problems += (problems ?? []).map { "\(baseWeights.folder.path): \($0)" } + own.problems
    }
}
