import Images
import Networks
import Samplers

/// LlamaFusion and Transfusion: one sequence of text and pictures, read and drawn by one decoder.
package struct LlamaFusionPipeline: FamilyPipeline {
    package let description: ModelDescription
    let model: LlamaFusionModel
    private let promptTemplate: String

    init(_ model: LlamaFusionModel, _ entry: ModelEntry) throws {
        promptTemplate = try entry.template()
        self.model = model
        description = model.painter.description(
            of: "llamafusion",
            entry.defaults,
            imageGuidanceScale: 1.5,
            // Beside the picture to draw; a few tokens of text fit in between.
            maximumImages: max(0, (model.config.text.contextLength - 8) / (model.config.image.tokens + 2) - 1),
            contextLength: model.config.text.contextLength,
            weightBytes: model.weightBytes
        )
    }

    // MARK: Pictures

    /// The sequences are those of the inference table of the family: text `bos prompt boi` against `bos boi`; with
    /// pictures `bos boi … eoi instruction boi` against the same without instruction and against `bos boi`. A negative
    /// prompt stands in the null branch.
    package func drawing(_ request: GenerationRequest) throws -> LlamaFusionDrawing {
        try model.painter.check(request, description)
        let schedule = try model.scheduler.schedule(requested: request.steps ?? description.defaults.steps)
        let prompt = request.prompt.isEmpty ? "" : promptTemplate.replacing("{prompt}", with: request.prompt)
        let full = try beforePicture(request.images.count, prompt, field: "prompt")
        let null = try beforePicture(0, request.negativePrompt ?? "", field: "negative_prompt")
        let scale = request.guidanceScale ?? description.defaults.guidanceScale
        guard !request.images.isEmpty else {
            return LlamaFusionDrawing(model, request, schedule, Guidance(full: full, null: null, scale: scale))
        }
        let guidance = Guidance(
            full: full,
            image: try beforePicture(request.images.count, "", field: "images"),
            null: null,
            scale: scale,
            imageScale: request.imageGuidanceScale ?? description.defaults.imageGuidanceScale
        )
        return LlamaFusionDrawing(model, request, schedule, guidance)
    }

    /// bos, pictures, text, boi.
    private func beforePicture(_ pictures: Int, _ text: String, field: String) throws -> FusionSequence {
        var sequence = opening(pictures: pictures)
        sequence.append(try model.encode(text))
        sequence.append([model.config.boiTokenID])
        try model.painter.check(model.length(of: sequence), description, field: field)
        return sequence
    }

    // MARK: Text

    /// A question is read as `bos boi … eoi question`.
    package func replying(
        to original: RunRequest,
        _ request: ChatRequest,
        _ fields: RequestFields
    ) throws -> LlamaFusionReplying {
        try request.requireText()
        try description.checkCount(of: request.images, field: fields.images)
        let (prompt, images) = try prompt(of: request.turns, field: fields.texts)
        let length = model.length(of: prompt)
        try PipelineError.require(
            length < model.config.text.contextLength,
            fields.texts,
            "\(length) tokens; the model holds \(model.config.text.contextLength) with its reply"
        )
        return LlamaFusionReplying(model, original, request, prompt: prompt, images: images)
    }

    /// bos, then the turns with a newline between them, never the tokenizer's chat template; pictures stand as in every
    /// other sequence.
    func prompt(of turns: [ChatTurn], field: String) throws -> (FusionSequence, images: [PixelImage]) {
        var prompt = opening(pictures: 0)
        var images: [PixelImage] = []
        for (index, turn) in turns.enumerated() {
            // On its own: behind punctuation it would become part of another token.
            if index > 0 { prompt.append(try model.encode("\n")) }
            for part in try turn.arranged(field: field) {
                switch part {
                case .text(let text): prompt.append(try model.encode(text))
                case .picture(let image):
                    prompt.append(model.sequence(picture: images.count))
                    images.append(image)
                }
            }
        }
        return (prompt, images)
    }

    // MARK: Both

    /// bos, then the given pictures.
    private func opening(pictures: Int) -> FusionSequence {
        var sequence = FusionSequence()
        sequence.append([model.config.bosTokenID])
        for picture in 0..<pictures { sequence.append(model.sequence(picture: picture)) }
        return sequence
    }
}
