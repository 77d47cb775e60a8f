import Checkpoints
import Foundation
import Networks
import Tensors

/// Where a MetaQuery model lies: the checkpoint as `MetaQuery.save_pretrained` writes it, and the folders of the models
/// that it was made of, for their configurations and for parts that the checkpoint lacks.
struct MetaQueryFolder: Sendable {
    let url: URL
    private let entry: ModelEntry

    /// Where in the checkpoint its networks lie.
    private enum Part {
        static let languageModel = "model.mllm_backbone"
        static let connector = "model.connector"
        static let network = "model.transformer"
        static let autoencoder = "vae"
        static let all = [languageModel, connector, network, autoencoder]
        static let embedding = "embed_tokens.weight"
        static let head = "lm_head.weight"
    }

    init(_ entry: ModelEntry) {
        self.entry = entry
        url = entry.path
    }

    private var configFile: URL { url.appending(path: "config.json") }

    func config() throws -> MetaQueryConfig {
        try ConfigurationFile.decode(MetaQueryConfig.self, at: configFile)
    }

    /// All networks of the checkpoint.
    func weights() throws -> Checkpoint { try Checkpoint(url) }

    /// - Throws: `CheckpointError.tensors` where there is anything that belongs to none of the networks
    func refuseStrays(in weights: Checkpoint) throws(CheckpointError) {
        try weights.load(keys: KeyTable(ignoredPrefixes: Part.all.map { $0 + "." })) { _ in }
    }

    // MARK: Base models

    func languageModel(for config: MetaQueryConfig) throws -> MultimodalFolder {
        MultimodalFolder(url: try base(entry.mllm, "mllm", config.languageModel))
    }

    /// - Throws: `PipelineError.unsupported` for a language model that MetaQuery was never built on
    func conditioningFront(of front: any VisionFront) throws -> any ConditioningFront {
        guard let front = front as? any ConditioningFront else {
            throw PipelineError.unsupported(
                reason: "mllm: is neither LLaVA-OneVision nor Qwen2.5-VL, which a MetaQuery checkpoint is made of"
            )
        }
        return front
    }

    func diffusion(for config: MetaQueryConfig) throws -> any LatentDiffusionFolder {
        try LatentDiffusionFolders.folder(base(entry.diffusion, "diffusion", config.diffusionModel))
    }

    /// A folder of the entry, or the one that has the hub's name under the models root.
    private func base(_ folder: URL?, _ key: String, _ name: String) throws -> URL {
        if let folder { return folder }
        guard let root = entry.modelsRoot else {
            throw PipelineError.unsupported(
                reason: "\(key): is not set, and neither is models_root; the checkpoint was made of \(name)"
            )
        }
        let hub = root.appending(path: name).standardizedFileURL
        // The name comes out of a file that others wrote.
        guard hub.path.hasPrefix(root.standardizedFileURL.path + "/"), FileManager.default.fileExists(atPath: hub.path)
        else {
            throw PipelineError.unsupported(reason: "\(key): is not set, and there is no \(name) in \(root.path)")
        }
        return hub
    }

    // MARK: Weights of the parts

    func connectorWeights(_ weights: Checkpoint) -> Checkpoint { weights.part(Part.connector) }

    func networkWeights(_ weights: Checkpoint, _ folder: any LatentDiffusionFolder) throws -> Checkpoint {
        let part = weights.part(Part.network)
        return part.isEmpty ? try folder.networkWeights() : part
    }

    func autoencoderWeights(_ weights: Checkpoint, _ folder: any LatentDiffusionFolder) throws -> Checkpoint {
        let part = weights.part(Part.autoencoder)
        return part.isEmpty ? try folder.autoencoderWeights() : part
    }

    /// The language model with the rows of the tokens that were added to it. The checkpoint has everything but the head,
    /// which training doesn't need; where it has nothing but the rows, the base model has the rest.
    /// - Throws: `CheckpointError` also where the checkpoint lacks the rows: nobody else has them
    func languageModelWeights(_ weights: Checkpoint, _ folder: MultimodalFolder) throws -> Checkpoint {
        let part = weights.part(Part.languageModel)
        if part.selecting({ $0.hasSuffix(Part.embedding) ? nil : $0 }).isEmpty {
            guard let table = part.tensor(endingWith: Part.embedding) else {
                throw CheckpointError.unreadableFile(
                    file: url.path,
                    reason: "holds no \(Part.languageModel).….\(Part.embedding), where the query tokens are"
                )
            }
            let base = try folder.weights()
            let name = base.tensor(endingWith: Part.embedding)?.name
            return base.selecting { $0 == name ? nil : $0 }
                .joined(with: weights.selecting { $0 == table.name ? name : nil })
        }
        // A head that is tied to the embedding needs no weights of the base model.
        guard part.tensor(endingWith: Part.head) == nil, let base = try? folder.weights() else { return part }
        return part.joined(with: base.selecting { $0.hasSuffix(Part.head) ? "\(Part.languageModel).\($0)" : nil })
    }

    /// How wide the language model is, as far as its weights are here.
    func languageModelWidth(of weights: Checkpoint) -> Int? {
        weights.part(Part.languageModel).tensor(endingWith: Part.embedding)?.shape.last
    }

    // MARK: What stands between the parts

    /// - Throws: an error also where the latents are not those that the checkpoint was trained on
    func connectorConfig(
        _ config: MetaQueryConfig,
        languageModelWidth width: Int,
        _ diffusion: LatentDiffusionShape
    ) throws(CheckpointError) -> MetaQueryConnectorConfig {
        func require(_ value: Int, _ path: String, _ actual: Int, _ meaning: String) throws(CheckpointError) {
            guard value != actual else { return }
            throw .configuration(file: configFile.path, path: path, reason: "\(value), but \(meaning) \(actual)")
        }
        try require(config.latentChannels, "in_channels", diffusion.latentChannels, "the latents' channels are")
        try require(
            config.downscaling,
            "vae_downsample_f",
            diffusion.downscaling,
            "the autoencoder's downscaling is"
        )
        let connector = MetaQueryConnectorConfig(
            inputWidth: width,
            outputWidth: diffusion.conditionWidth,
            layers: config.connectorLayers,
            order: config.connectorOrder
        )
        guard connector.encoderWidth.isMultiple(of: MetaQueryConnectorConfig.headWidth) else {
            throw .configuration(
                file: configFile.path,
                path: "connector_type",
                reason: "the encoder would be \(connector.encoderWidth) wide, which heads of 64 don't divide"
            )
        }
        return connector
    }
}
