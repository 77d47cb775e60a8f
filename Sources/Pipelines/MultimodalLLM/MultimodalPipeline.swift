import Images
import Networks

/// A language model alone: it reads text, and pictures if it can, and answers.
package struct MultimodalPipeline: FamilyPipeline {
    package let description: ModelDescription
    let model: MultimodalLLM

    init(_ model: MultimodalLLM, _ entry: ModelEntry) throws {
        _ = try entry.template()
        guard entry.promptTemplate == nil, entry.defaults == EntryDefaults() else {
            throw PipelineError.unsupported(reason: "prompt_template and defaults: this family draws no pictures")
        }
        self.model = model
        description = ModelDescription(
            answering: "mllm",
            inputModalities: model.seesPictures ? [.text, .image] : [.text],
            maximumImages: model.maximumImages,
            contextLength: model.text.config.contextLength,
            weightBytes: model.weightBytes
        )
    }

    /// No request gets here: the family has no task of this kind.
    package func drawing(_ request: GenerationRequest) throws -> MultimodalReplying {
        throw PipelineError.invalidRequest(field: "model", reason: "this model draws no pictures")
    }

    package func replying(
        to original: RunRequest,
        _ request: ChatRequest,
        _ fields: RequestFields
    ) throws -> MultimodalReplying {
        try model.replying(to: original, request, fields)
    }
}

extension MultimodalLLM {
    /// Pictures that a conversation may have: more than any of these models was trained on at once, the frames of a video
    /// included, and few enough for their rows to be held at a time.
    var maximumImages: Int { seesPictures ? 64 : 0 }

    /// - Throws: `PipelineError.invalidRequest`
    func replying(
        to original: RunRequest,
        _ request: ChatRequest,
        _ fields: RequestFields
    ) throws -> MultimodalReplying {
        try request.requireText()
        try PipelineError.require(
            request.images.count <= maximumImages,
            fields.images,
            seesPictures ? "this model reads at most \(maximumImages) pictures" : "this model reads no pictures"
        )
        return MultimodalReplying(self, original, request, try prompt(of: request.turns, field: fields.texts))
    }
}
