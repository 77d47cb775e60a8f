import Checkpoints
import Foundation
import Networks
import Tensors
import Tokenizers

extension ModelFamily {
    /// LlamaFusion (LMFusion) and Transfusion checkpoints.
    static let llamaFusion = ModelFamily(
        name: "llamafusion",
        load: { entry in try LlamaFusionPipeline(LlamaFusionModel(LlamaFusionFolder(url: entry.path)), entry) },
        check: { entry in LlamaFusionCheck(LlamaFusionFolder(url: entry.path)).report }
    )
}

/// Goes through everything that loading needs and notes what is wrong, without reading weights.
private struct LlamaFusionCheck {
    private(set) var report = CheckReport()

    init(_ folder: LlamaFusionFolder) {
        let config = report.note { try folder.config() }
        let weights = report.note { try folder.weights() }
        if let config {
            if let weights {
                report.add(
                    weights,
                    "model: \(config.separation) separation, \(config.text.layers) layers, \(config.text.width) wide"
                )
                report.note(weights, LlamaFusion.keys) { LlamaFusion(config, $0) }
            }
            folder.checkAutoencoder(for: config.image, &report)
            if let tokenizer = report.note({ try folder.tokenizer(for: config) }) {
                report.summary.append("tokenizer: \(tokenizer.vocabularySize) tokens")
            }
        }
        _ = report.note { try folder.scheduler() }
    }
}
