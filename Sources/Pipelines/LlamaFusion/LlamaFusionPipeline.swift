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
        let size = model.painter.pictureSize
        description = ModelDescription(
            family: "llamafusion",
            tasks: [.generate, .edit, .answer],
            inputModalities: [.text, .image],
            outputModalities: [.text, .image],
            defaults: GenerationDefaults(
                steps: entry.defaults.steps ?? 50,
                guidanceScale: entry.defaults.guidanceScale ?? 3,
                imageGuidanceScale: entry.defaults.imageGuidanceScale ?? 1.5,
                size: size
            ),
            limits: ModelLimits(
                minimumSize: size,
                maximumSize: size,
                sizeMultiple: size.width,
                // Beside the picture to draw; a few tokens of text fit in between.
                maximumImages: max(0, (model.config.text.contextLength - 8) / (model.config.image.tokens + 2) - 1),
                contextLength: model.config.text.contextLength
            ),
            weightBytes: model.weightBytes
        )
    }

    // MARK: Pictures

    /// The sequences are those of the inference table of the family: text `bos prompt boi` against `bos boi`; with
    /// pictures `bos boi … eoi instruction boi` against the same without instruction and against `bos boi`. A negative
    /// prompt stands in the null branch.
    package func drawing(_ request: GenerationRequest) throws -> LlamaFusionDrawing {
        try check(request)
        let schedule = try model.scheduler.schedule(requested: request.steps ?? description.defaults.steps)
        let prompt = request.prompt.isEmpty ? "" : promptTemplate.replacing("{prompt}", with: request.prompt)
        let full = try beforePicture(request.images.count, prompt, field: "prompt")
        let null = try beforePicture(0, request.negativePrompt ?? "", field: "negative_prompt")
        let scale = request.guidanceScale ?? description.defaults.guidanceScale
        let imageScale = request.imageGuidanceScale ?? description.defaults.imageGuidanceScale
        let guidance =
            request.images.isEmpty
            ? Guidance(full: full, null: null, scale: scale)
            : Guidance(
                full: full,
                image: try beforePicture(request.images.count, "", field: "images"),
                null: null,
                scale: scale,
                imageScale: imageScale
            )
        return LlamaFusionDrawing(model, request, schedule, guidance)
    }

    /// bos, pictures, text, boi.
    private func beforePicture(_ pictures: Int, _ text: String, field: String) throws -> FusionSequence {
        var sequence = opening(pictures: pictures)
        sequence.append(try model.encode(text))
        sequence.append([model.config.boiTokenID])
        let length = model.length(of: sequence) + model.config.image.tokens
        guard length <= model.config.text.contextLength else {
            throw PipelineError.invalidRequest(
                field: field,
                reason: "\(length) tokens with the picture to draw; the model holds \(model.config.text.contextLength)"
            )
        }
        return sequence
    }

    private func check(_ request: GenerationRequest) throws {
        let size = model.painter.pictureSize
        try request.check()
        try description.checkCount(of: request.images, field: "images")
        try PipelineError.require(request.size ?? size == size, "size", "this model draws \(size.width)x\(size.height)")
    }

    // MARK: Text

    /// A question is a conversation of one turn: `bos boi … eoi question`.
    package func answering(_ request: AnswerRequest) throws -> LlamaFusionReplying {
        try request.check()
        let conversation = ChatRequest(request)
        try conversation.check()
        return try replying(to: .answer(request), conversation, fields: ("question", "images"))
    }

    package func replying(_ request: ChatRequest) throws -> LlamaFusionReplying {
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
    ) throws -> LlamaFusionReplying {
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
