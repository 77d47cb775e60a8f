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
        let contextLength = model.base.text.config.contextLength
        let smallest = VisualInput.picture(PixelImage(width: 1, height: 1, color: .black))
        description = model.painter.description(
            of: "llavafusion",
            entry.defaults,
            maximumImages: contextLength / (try model.base.front.rowCount(of: smallest, field: "images")),
            contextLength: contextLength,
            weightBytes: model.weightBytes
        )
    }

    // MARK: Pictures

    /// What stands before the picture is a turn of the user in the base model's format with the opening of the reply
    /// behind it, then the marker; in the null branch it says nothing, or what a negative prompt says.
    package func drawing(_ request: GenerationRequest) throws -> LlavaFusionDrawing {
        try model.painter.check(request, description)
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
        try model.painter.check(prompt.count + 1, description, field: field)
        return prompt
    }

    // MARK: Text

    package func replying(
        to original: RunRequest,
        _ request: ChatRequest,
        _ fields: RequestFields
    ) throws -> MultimodalReplying {
        try request.requireText()
        try description.checkCount(of: request.images, field: fields.images)
        let prompt = try model.base.prompt(of: request.turns, field: fields.texts)
        return MultimodalReplying(model.base, original, request, prompt)
    }
}
