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
    private(set) var report = CheckReport(problems: [], summary: [], parameterCount: 0, weightBytes: 0)

    init(_ folder: LlamaFusionFolder) {
        let config = note { try folder.config() }
        let weights = note { try folder.weights() }
        if let config {
            if let weights {
                add(
                    weights,
                    "model: \(config.separation) separation, \(config.text.layers) layers, \(config.text.width) wide"
                )
                note(weights, LlamaFusion.keys) { LlamaFusion(config, $0) }
            }
            let autoencoderConfig = note { try folder.autoencoderConfig(for: config) }
            let autoencoderWeights = note { try folder.autoencoderWeights() }
            if let autoencoderConfig, let autoencoderWeights {
                let side = config.image.latentSize * autoencoderConfig.downscaling
                add(autoencoderWeights, "autoencoder: \(side)x\(side) pictures, \(config.image.tokens) tokens each")
                note(autoencoderWeights, AutoencoderKL.keys) { AutoencoderKL(autoencoderConfig, $0) }
            }
            if let tokenizer = note({ try folder.tokenizer(for: config) }) {
                report.summary.append("tokenizer: \(tokenizer.vocabularySize) tokens")
            }
        }
        _ = note { try folder.scheduler() }
    }

    private mutating func note<Value>(_ read: () throws -> Value) -> Value? {
        do {
            return try read()
        } catch let error as CheckpointError {
            report.problems += error.lines
        } catch {
            report.problems.append("\(error)")
        }
        return nil
    }

    private mutating func note<Network>(
        _ weights: Checkpoint,
        _ keys: KeyTable,
        _ build: (ParameterReader) -> Network
    ) {
        let problems = weights.problems(keys: keys, build)
        report.problems += problems.map { "\(weights.folder.path): \($0)" }
    }

    private mutating func add(_ weights: Checkpoint, _ summary: String) {
        report.summary.append("\(summary), \(weights.dtypes.map(\.rawValue).joined(separator: " and "))")
        report.parameterCount += weights.parameterCount
        report.weightBytes += weights.byteCount
    }
}
