import Images
import Samplers

// What holds for requests and entries of every family.

extension PipelineError {
    /// - Throws: `invalidRequest` unless `condition` holds
    static func require(_ condition: Bool, _ field: String, _ reason: String) throws {
        guard condition else { throw PipelineError.invalidRequest(field: field, reason: reason) }
    }

    /// Bytes of text in a request. More than any model holds, and a tokenizer is through with it within seconds.
    static let textLimit = 1 << 20

    /// - Throws: `invalidRequest` for texts that no model could hold
    static func requireLength(of texts: some Sequence<String>, _ field: String) throws {
        let length = texts.reduce(0) { $0 + $1.utf8.count }
        try require(length <= textLimit, field, "must be at most \(textLimit) bytes of text, not \(length)")
    }
}

/// What a request for a reply calls its texts and its pictures.
package struct RequestFields: Sendable {
    var texts: String
    var images: String

    static let ofAnswer = RequestFields(texts: "question", images: "images")
    static let ofChat = RequestFields(texts: "messages", images: "messages")
}

extension ChatRequest {
    /// - Throws: `PipelineError.invalidRequest` where a reply of text is not wanted
    func requireText(_ reason: String = "this model replies in text") throws {
        try PipelineError.require(modalities?.contains(.text) ?? true, "modalities", reason)
    }
}

extension GenerationRequest {
    func check() throws {
        try PipelineError.require(!prompt.isEmpty || !images.isEmpty, "prompt", "may be empty only with pictures")
        try PipelineError.requireLength(of: [prompt], "prompt")
        try PipelineError.requireLength(of: [negativePrompt ?? ""], "negative_prompt")
        try PipelineError.require((1...8).contains(count), "n", "must be 1…8")
        try PipelineError.require((1...1000).contains(steps ?? 1), "num_inference_steps", "must be 1…1000")
        for (field, scale) in [("guidance_scale", guidanceScale), ("image_guidance_scale", imageGuidanceScale)] {
            let isFine = scale.map { $0.isFinite && $0 >= 0 } ?? true
            try PipelineError.require(isFine, field, "must be finite and not negative")
        }
    }
}

extension AnswerRequest {
    func check() throws {
        try PipelineError.require(
            !question.isEmpty || !images.isEmpty,
            "question",
            "may be empty only with a picture"
        )
        try PipelineError.requireLength(of: [question], "question")
    }
}

extension ModelDescription {
    /// - Parameter field: what the request calls its pictures
    func checkCount(of images: [PixelImage], field: String) throws {
        let most = limits.maximumImages
        try PipelineError.require(images.count <= most, field, "this model reads at most \(most) pictures")
    }
}

extension Scheduler {
    /// The schedule of a run that somebody asked for.
    /// - Throws: `PipelineError.invalidRequest` where it can't have so many steps
    func schedule(requested steps: Int) throws -> DenoisingSchedule {
        do {
            return try schedule(steps: steps)
        } catch {
            throw PipelineError.invalidRequest(field: "num_inference_steps", reason: "\(error)")
        }
    }
}

extension ModelEntry {
    /// What a prompt is wrapped in.
    /// - Throws: `PipelineError.unsupported` where the entry asks for what no family can do
    func template(_ usual: String = "{prompt}") throws -> String {
        guard quantization == "none" else {
            throw PipelineError.unsupported(reason: "quantization \(quantization) is not supported yet")
        }
        let template = promptTemplate ?? usual
        guard template.contains("{prompt}") else {
            throw PipelineError.unsupported(reason: "prompt_template: does not contain {prompt}")
        }
        return template
    }
}
