import Checkpoints
import Images
import Networks
import Samplers
import Tokenizers

/// The parts of a loaded MetaQuery model. Immutable but for the caches, shared by all runs.
struct MetaQueryModel: Sendable {
    let config: MetaQueryConfig
    /// As it answers.
    let languageModel: MultimodalLLM
    /// The same weights as they read what is to be drawn.
    let conditioner: MultimodalLLM
    private let front: any ConditioningFront
    let connector: MetaQueryConnector
    let diffusion: any LatentDiffusion
    let conditions = ConditionCache()
    let weightBytes: Int
    /// Tells whether a saved run belongs to this model.
    let fingerprint: Fingerprint

    /// - Throws: an error naming the file, tensor or JSON path that can't be used.
    init(_ folder: MetaQueryFolder) throws {
        let config = try folder.config()
        let weights = try folder.weights()
        try folder.refuseStrays(in: weights)
        let base = try folder.languageModel(for: config)
        let diffusionFolder = try folder.diffusion(for: config)
        let shape = try diffusionFolder.shape()
        self.config = config
        languageModel = try base.model(
            folder.languageModelWeights(weights, base),
            addedTokens: config.addedTokens
        )
        front = try folder.conditioningFront(of: languageModel.front)
        conditioner = languageModel.looking(through: front.forConditions)
        let connectorWeights = folder.connectorWeights(weights)
        let connectorConfig = try folder.connectorConfig(
            config,
            languageModelWidth: languageModel.text.config.width,
            shape
        )
        connector = try connectorWeights.load { MetaQueryConnector(connectorConfig, $0) }
        diffusion = try diffusionFolder.model(
            network: folder.networkWeights(weights, diffusionFolder),
            autoencoder: folder.autoencoderWeights(weights, diffusionFolder),
            scheduler: .dpmSolverMultistep
        )
        weightBytes = languageModel.weightBytes + connectorWeights.byteCount + diffusion.weightBytes
        fingerprint = languageModel.fingerprint.combined(with: connectorWeights.fingerprint, diffusion.fingerprint)
    }

    /// The size of the pictures that it was trained on.
    var defaultSize: PictureSize {
        let side = config.latentSize * config.downscaling
        return PictureSize(width: side, height: side)
    }

    // MARK: Branches

    /// A caption or negative prompt as far as the model reads it: encoded, cut and decoded again.
    func cut(_ text: String) -> String {
        let tokenizer = languageModel.tokenizer
        let ids = tokenizer.encode(text, addSpecialTokens: false, allowSpecial: false)
        return tokenizer.decode(Array(ids.prefix(config.captionLimit)), skipSpecialTokens: false)
    }

    /// A picture to draw from, as branches have it.
    func conditioningPicture(_ picture: PixelImage) throws -> PixelImage { try front.conditioningPicture(picture) }

    /// What the language model reads of a branch: system prompt, pictures and text in its chat format, the opening of a
    /// reply, and a reply that begins with the queries. What the official code writes behind them is left out: nobody
    /// looks back at it.
    /// - Throws: `PipelineError.invalidRequest` for a picture that the model can't look at, or for more than it holds.
    func prompt(of branch: MetaQueryBranch) throws -> MultimodalPrompt {
        let text = languageModel.text.config
        let messages = [
            ChatMessage(.system, config.systemPrompt),
            ChatMessage(.user, branch.pictures.map { _ in ChatMessage.Part.image } + [.text(branch.text)]),
        ]
        let segments = try languageModel.template.render(
            messages,
            bosToken: languageModel.tokenizer.configuration.bosToken,
            addGenerationPrompt: true
        )
        let begin = text.vocabularySize
        // Behind the begin comes the end, and only then come the queries.
        let queries = (begin + 2)..<(begin + 2 + config.queries)
        let ids = languageModel.tokenizer.encode(segments + [.control("\n")], addSpecialTokens: true)
        let prompt = try MultimodalPrompt(
            ids + [begin] + queries,
            branch.pictures.map { VisualInput.picture($0.image) },
            conditioner.front,
            field: "images"
        )
        try PipelineError.require(
            prompt.count <= text.contextLength,
            branch.pictures.isEmpty ? "prompt" : "images",
            "\(prompt.count) tokens, pictures and queries included; the model holds \(text.contextLength)"
        )
        return prompt
    }
}

extension MultimodalLLM {
    /// The same weights with another way to look at pictures, and what was seen so.
    fileprivate func looking(through front: any VisionFront) -> MultimodalLLM {
        MultimodalLLM(
            text: text,
            front: front,
            tokenizer: tokenizer,
            template: template,
            endTokens: endTokens,
            weightBytes: weightBytes,
            fingerprint: fingerprint
        )
    }
}
