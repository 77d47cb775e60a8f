import Images
import Networks
import Samplers

/// LlavaFusion: a LLaVA-NeXT that draws with modules of its own for image tokens, and answers as if there were none.
package struct LlavaFusionPipeline: FamilyPipeline {
    package let description: ModelDescription
    let model: LlavaFusionModel
    private let promptTemplate: String
    /// Nil leaves pictures out of the guidance: what is wanted, with them, against nothing.
    private let imageGuidanceScale: Double?

    init(_ model: LlavaFusionModel, _ entry: ModelEntry) throws {
        promptTemplate = try entry.template()
        self.model = model
        imageGuidanceScale = entry.defaults.imageGuidanceScale
        let size = model.painter.pictureSize
        let contextLength = model.base.text.config.contextLength
        let smallest = VisualInput.picture(PixelImage(width: 1, height: 1, color: .black))
        let guidanceScale = entry.defaults.guidanceScale ?? 3
        description = ModelDescription(
            family: "llavafusion",
            tasks: [.generate, .edit, .answer],
            inputModalities: [.text, .image],
            outputModalities: [.text, .image],
            defaults: GenerationDefaults(
                steps: entry.defaults.steps ?? 50,
                guidanceScale: guidanceScale,
                imageGuidanceScale: imageGuidanceScale ?? guidanceScale,
                size: size
            ),
            limits: ModelLimits(
                minimumSize: size,
                maximumSize: size,
                sizeMultiple: size.width,
                maximumImages: contextLength / (try model.base.front.rowCount(of: smallest, field: "images")),
                contextLength: contextLength
            ),
            weightBytes: model.weightBytes
        )
    }

    // MARK: Pictures

    /// What stands before the picture is a turn of the user in the base model's format with the opening of the reply
    /// behind it, then the marker; in the null branch it says nothing, or what a negative prompt says.
    package func drawing(_ request: GenerationRequest) throws -> LlavaFusionDrawing {
        let size = model.painter.pictureSize
        try request.check()
        try description.checkCount(of: request.images, field: "images")
        try PipelineError.require(request.size ?? size == size, "size", "this model draws \(size.width)x\(size.height)")
        let schedule = try model.scheduler.schedule(requested: request.steps ?? description.defaults.steps)
        let prompt = request.prompt.isEmpty ? "" : promptTemplate.replacing("{prompt}", with: request.prompt)
        let scale = request.guidanceScale ?? description.defaults.guidanceScale
        let full = try beforePicture(prompt, request.images, field: "prompt")
        let null = try beforePicture(request.negativePrompt ?? "", [], field: "negative_prompt")
        guard !request.images.isEmpty, let imageScale = request.imageGuidanceScale ?? imageGuidanceScale else {
            return LlavaFusionDrawing(model, request, schedule, Guidance(full: full, null: null, scale: scale))
        }
        let guidance = Guidance(
            full: full,
            image: try beforePicture("", request.images, field: "images"),
            null: null,
            scale: scale,
            imageScale: imageScale
        )
        return LlavaFusionDrawing(model, request, schedule, guidance)
    }

    private func beforePicture(_ text: String, _ images: [PixelImage], field: String) throws -> MultimodalPrompt {
        let prompt = try model.base.prompt(of: [ChatTurn(.user, text, images: images)], field: field)
        let length = prompt.count + 1 + model.painter.tokens
        let limit = model.base.text.config.contextLength
        try PipelineError.require(
            length <= limit,
            field,
            "\(length) tokens with the picture to draw; the model holds \(limit)"
        )
        return prompt
    }

    // MARK: Text

    package func answering(_ request: AnswerRequest) throws -> MultimodalReplying {
        try request.check()
        let conversation = ChatRequest(request)
        try conversation.check()
        return try replying(to: .answer(request), conversation, fields: ("question", "images"))
    }

    package func replying(_ request: ChatRequest) throws -> MultimodalReplying {
        try PipelineError.require(
            request.modalities?.contains(.text) ?? true,
            "modalities",
            "this model replies in text"
        )
        return try replying(to: .chat(request), request, fields: ("messages", "messages"))
    }

    /// - Parameter fields: what the request calls its texts and its pictures
    private func replying(
        to original: RunRequest,
        _ request: ChatRequest,
        fields: (texts: String, images: String)
    ) throws -> MultimodalReplying {
        try description.checkCount(of: request.images, field: fields.images)
        let prompt = try model.base.prompt(of: request.turns, field: fields.texts)
        return MultimodalReplying(model.base, original, request, prompt)
    }
}
