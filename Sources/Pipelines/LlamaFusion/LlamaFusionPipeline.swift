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
        try check(request.images)
        try require((1...8).contains(request.count), "n", "must be 1…8")
        try require((1...1000).contains(request.steps ?? 1), "num_inference_steps", "must be 1…1000")
        try require(request.size ?? size == size, "size", "this model draws \(size.width)x\(size.height)")
        for (field, scale) in [
            ("guidance_scale", request.guidanceScale), ("image_guidance_scale", request.imageGuidanceScale),
        ] {
            try require(scale.map { $0.isFinite && $0 >= 0 } ?? true, field, "must be finite and not negative")
        }
    }

    // MARK: Answers

    func answering(_ request: AnswerRequest) throws -> LlamaFusionAnswering {
        try check(request)
        var prompt = opening(pictures: request.images.count)
        prompt.append(try model.encode(request.question))
        let length = model.length(of: prompt)
        guard length < model.config.text.contextLength else {
            throw PipelineError.invalidRequest(
                field: "question",
                reason: "\(length) tokens; the model holds \(model.config.text.contextLength) with its answer"
            )
        }
        return LlamaFusionAnswering(model, request, prompt: prompt)
    }

    private func check(_ request: AnswerRequest) throws {
        let sampling = request.sampling
        try require(
            !request.question.isEmpty || !request.images.isEmpty,
            "question",
            "may be empty only with a picture"
        )
        try check(request.images)
        try require(request.maxTokens >= 1, "max_tokens", "must be at least 1")
        try require(sampling.temperature.isFinite && sampling.temperature >= 0, "temperature", "must not be negative")
        try require(sampling.topP > 0 && sampling.topP <= 1, "top_p", "must be above 0 and at most 1")
        try require(sampling.topK.map { $0 >= 1 } ?? true, "top_k", "must be at least 1")
        try require(request.stop.allSatisfy { !$0.isEmpty }, "stop", "must not hold an empty string")
    }

    // MARK: Both

    /// bos, then the given pictures.
    private func opening(pictures: Int) -> FusionSequence {
        var sequence = FusionSequence()
        sequence.append([model.config.bosTokenID])
        for picture in 0..<pictures { sequence.append(model.sequence(picture: picture)) }
        return sequence
    }

    private func check(_ images: [PixelImage]) throws {
        let most = description.limits.maximumImages
        try require(images.count <= most, "images", "this model reads at most \(most)")
    }

    private func require(_ condition: Bool, _ field: String, _ reason: String) throws {
        guard condition else { throw PipelineError.invalidRequest(field: field, reason: reason) }
    }
}
