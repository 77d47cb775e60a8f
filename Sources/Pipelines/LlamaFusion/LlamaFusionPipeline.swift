package import Foundation
import Images
import Networks
import Samplers

/// LlamaFusion and Transfusion: one sequence of text and pictures, read and drawn by one decoder.
package struct LlamaFusionPipeline: Pipeline {
    package let description: ModelDescription
    let model: LlamaFusionModel
    private let promptTemplate: String

    init(_ model: LlamaFusionModel, _ entry: ModelEntry) throws {
        guard entry.quantization == "none" else {
            throw PipelineError.unsupported(reason: "quantization \(entry.quantization) is not supported yet")
        }
        promptTemplate = entry.promptTemplate ?? "{prompt}"
        guard promptTemplate.contains("{prompt}") else {
            throw PipelineError.unsupported(reason: "prompt_template: does not contain {prompt}")
        }
        self.model = model
        let size = model.pictureSize
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

    package func run(for request: RunRequest) throws -> any PipelineRun {
        switch request {
        case .generation(let request): try drawing(request)
        case .answer(let request): try answering(request)
        case .chat(let request): try Choices(request, makeReply: replying)
        }
    }

    package func resume(_ request: RunRequest, from state: Data) throws -> any PipelineRun {
        switch request {
        case .generation(let request):
            var run = try drawing(request)
            try run.restore(state)
            return run
        case .answer(let request):
            var run = try answering(request)
            try run.restore(state)
            return run
        case .chat(let request):
            return try Choices(request, from: state, makeReply: replying)
        }
    }

    // MARK: Pictures

    /// The sequences are those of the inference table of the family: text `bos prompt boi` against `bos boi`; with
    /// pictures `bos boi … eoi instruction boi` against the same without instruction and against `bos boi`. A negative
    /// prompt stands in the null branch.
    func drawing(_ request: GenerationRequest) throws -> LlamaFusionDrawing {
        try check(request)
        let steps = request.steps ?? description.defaults.steps
        let schedule: DenoisingSchedule
        do {
            schedule = try model.scheduler.schedule(steps: steps)
        } catch {
            throw PipelineError.invalidRequest(field: "num_inference_steps", reason: "\(error)")
        }
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
        let size = model.pictureSize
        try require(!request.prompt.isEmpty || !request.images.isEmpty, "prompt", "may be empty only with pictures")
        try check(request.images, field: "images")
        try require((1...8).contains(request.count), "n", "must be 1…8")
        try require((1...1000).contains(request.steps ?? 1), "num_inference_steps", "must be 1…1000")
        try require(request.size ?? size == size, "size", "this model draws \(size.width)x\(size.height)")
        for (field, scale) in [
            ("guidance_scale", request.guidanceScale), ("image_guidance_scale", request.imageGuidanceScale),
        ] {
            try require(scale.map { $0.isFinite && $0 >= 0 } ?? true, field, "must be finite and not negative")
        }
    }

    // MARK: Text

    /// A question is a conversation of one turn: `bos boi … eoi question`.
    func answering(_ request: AnswerRequest) throws -> LlamaFusionReplying {
        try require(
            !request.question.isEmpty || !request.images.isEmpty,
            "question",
            "may be empty only with a picture"
        )
        let conversation = ChatRequest(request)
        try conversation.check()
        return try replying(to: .answer(request), conversation, fields: ("question", "images"))
    }

    /// One reply to a conversation.
    @Sendable
    private func replying(_ request: ChatRequest, from state: Data?) throws -> any PipelineRun {
        try require(request.modalities?.contains(.text) ?? true, "modalities", "this model replies in text")
        var run = try replying(to: .chat(request), request, fields: ("messages", "messages"))
        if let state { try run.restore(state) }
        return run
    }

    /// - Parameter fields: what the request calls its texts and its pictures
    private func replying(
        to original: RunRequest,
        _ request: ChatRequest,
        fields: (texts: String, images: String)
    ) throws -> LlamaFusionReplying {
        try check(request.images, field: fields.images)
        let (prompt, images) = try prompt(of: request.turns, field: fields.texts)
        let length = model.length(of: prompt)
        try require(
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

    private func check(_ images: [PixelImage], field: String) throws {
        let most = description.limits.maximumImages
        try require(images.count <= most, field, "this model reads at most \(most) pictures")
    }

    private func require(_ condition: Bool, _ field: String, _ reason: String) throws {
        guard condition else { throw PipelineError.invalidRequest(field: field, reason: reason) }
    }
}
