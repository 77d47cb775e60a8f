import Images
import Networks

/// MetaMorph: one language model that reads and writes text and visual tokens, and a Stable Diffusion that renders them.
package struct MetaMorphPipeline: FamilyPipeline {
    package let description: ModelDescription
    let model: MetaMorphModel
    private let promptTemplate: String

    /// Tokens that the reply to a prompt for a picture may have before the picture is forced: as many as the official
    /// demo lets it have.
    private static let tokensBeforePicture = 512

    init(_ model: MetaMorphModel, _ entry: ModelEntry) throws {
        promptTemplate = try entry.template("Generate an image of {prompt}")
        guard entry.defaults.imageGuidanceScale == nil else {
            throw PipelineError.unsupported(
                reason: "defaults: image_guidance_scale: this family has no guidance by pictures"
            )
        }
        self.model = model
        let config = model.config
        let promptLimit = min(config.promptLimit ?? .max, config.text.contextLength)
        let diffusion = model.visualizer.diffusion
        description = ModelDescription(
            family: "metamorph",
            tasks: [.generate, .edit, .answer],
            inputModalities: [.text, .image],
            outputModalities: [.text, .image],
            defaults: GenerationDefaults(
                steps: entry.defaults.steps ?? 50,
                guidanceScale: entry.defaults.guidanceScale ?? 7.5,
                // The family has none: 1 changes nothing.
                imageGuidanceScale: 1,
                size: diffusion.defaultSize
            ),
            limits: ModelLimits(
                minimumSize: PictureSize(width: diffusion.requestMultiple, height: diffusion.requestMultiple),
                maximumSize: diffusion.maximumSize,
                sizeMultiple: diffusion.requestMultiple,
                // Around them stand about twenty tokens of chat format and a few of text.
                maximumImages: max(0, (promptLimit - 32) / (config.visualTokens + 2)),
                contextLength: config.text.contextLength
            ),
            weightBytes: model.weightBytes
        )
    }

    // MARK: Pictures

    /// The prompt stands in the template; an instruction beside pictures stands as it is.
    package func drawing(_ request: GenerationRequest) throws -> MetaMorphDrawing {
        try check(request)
        let text = request.images.isEmpty ? promptTemplate.replacing("{prompt}", with: request.prompt) : request.prompt
        let turn = ChatTurn(.user, text, images: request.images)
        let prompt = try model.prompt(of: [turn], field: "prompt", forPicture: true)
        let rules = VisualDecoding.Rules(
            sampling: .greedy,
            seed: 0,
            maxTokens: Self.tokensBeforePicture,
            endsWithPicture: true
        )
        let plan = try plan(
            seeds: (0..<request.count).map { request.seed &+ UInt64($0) },
            size: request.size,
            steps: request.steps,
            guidanceScales: request.guidanceScale.map { [$0] } ?? []
        )
        return MetaMorphDrawing(model, request, VisualDecoding(model, prompt, rules), plan)
    }

    private func check(_ request: GenerationRequest) throws {
        try request.check()
        try description.checkCount(of: request.images, field: "images")
        if let size = request.size { try model.visualizer.diffusion.check(size) }
        try PipelineError.require(
            request.negativePrompt?.isEmpty ?? true,
            "negative_prompt",
            "this model is guided away from nothing, not from a text"
        )
        try PipelineError.require(
            request.images.isEmpty || request.imageGuidanceScale == nil,
            "image_guidance_scale",
            "this model has no guidance by pictures"
        )
    }

    /// What is nil or empty takes the model's default.
    private func plan(
        seeds: [UInt64],
        size: PictureSize?,
        steps: Int?,
        guidanceScales: [Double]
    ) throws -> Visualizer.Plan {
        let scales = guidanceScales.isEmpty ? [description.defaults.guidanceScale] : guidanceScales
        return Visualizer.Plan(
            visualizer: model.visualizer,
            schedule: try model.visualizer.diffusion.scheduler.schedule(requested: steps ?? description.defaults.steps),
            size: size ?? description.defaults.size,
            orders: seeds.flatMap { seed in scales.map { Visualizer.Plan.Order(seed: seed, guidanceScale: $0) } }
        )
    }

    // MARK: Replies

    package func replying(
        to original: RunRequest,
        _ request: ChatRequest,
        _ fields: RequestFields
    ) throws -> MetaMorphReplying {
        try request.requireText("this model replies in text, too")
        try description.checkCount(of: request.images, field: fields.images)
        let prompt = try model.prompt(of: request.turns, field: fields.texts)
        let rules = VisualDecoding.Rules(
            sampling: request.sampling,
            seed: request.seed,
            maxTokens: request.maxTokens,
            mayDraw: request.modalities?.contains(.image) ?? true,
            topLogProbabilities: request.topLogProbabilities,
            stop: request.stop
        )
        let plan = try plan(
            seeds: [request.seed],
            size: nil,
            steps: request.rendering.steps,
            guidanceScales: request.rendering.guidanceScales
        )
        return MetaMorphReplying(model, original, request, VisualDecoding(model, prompt, rules), plan)
    }
}
