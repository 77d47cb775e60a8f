import Checkpoints
import Foundation
import Tensors

extension ModelFamily {
    /// Language models as transformers saves them, with eyes or without, and without anything that draws.
    static let multimodalLLM = ModelFamily(
        name: "mllm",
        load: { entry in try MultimodalPipeline(MultimodalFolder(url: entry.path).model(), entry) },
        check: { entry in
            var report = CheckReport()
            let folder = MultimodalFolder(url: entry.path)
            _ = report.note { try folder.checkParts(needsVision: false) }
            if let weights = report.note(folder.weights) { report.note(folder, weights) }
            return report
        }
    )
}

extension CheckReport {
    /// Notes what keeps a language model from being built from these weights.
    mutating func note(_ folder: MultimodalFolder, _ weights: Checkpoint, addedTokens: Int = 0) {
        add(weights, "language model")
        let problems = note { try folder.problems(weights, addedTokens: addedTokens) } ?? []
        self.problems += problems.map { "\(weights.folder.path): \($0)" }
    }
}
