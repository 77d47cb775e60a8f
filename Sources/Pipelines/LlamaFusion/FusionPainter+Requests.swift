import Images

// What the pipelines of the models that draw so have in common.

extension FusionPainter {
    /// Of a model that draws with it.
    /// - Parameters:
    ///   - imageGuidanceScale: where the entry has none; nil for the scale of the text
    ///   - maximumImages: that fit into the context
    func description(
        of family: String,
        _ entry: EntryDefaults,
        imageGuidanceScale: Double? = nil,
        maximumImages: Int,
        contextLength: Int,
        weightBytes: Int
    ) -> ModelDescription {
        let guidanceScale = entry.guidanceScale ?? 3
        return ModelDescription(
            family: family,
            tasks: [.generate, .edit, .answer],
            inputModalities: [.text, .image],
            outputModalities: [.text, .image],
            defaults: GenerationDefaults(
                steps: entry.steps ?? 50,
                guidanceScale: guidanceScale,
                imageGuidanceScale: entry.imageGuidanceScale ?? imageGuidanceScale ?? guidanceScale,
                size: pictureSize
            ),
            limits: ModelLimits(
                minimumSize: pictureSize,
                maximumSize: pictureSize,
                sizeMultiple: pictureSize.width,
                maximumImages: maximumImages,
                contextLength: contextLength
            ),
            weightBytes: weightBytes
        )
    }

    /// - Throws: `PipelineError.invalidRequest`, here and below
    func check(_ request: GenerationRequest, _ model: ModelDescription) throws {
        let size = pictureSize
        try request.check()
        try model.checkCount(of: request.images, field: "images")
        try PipelineError.require(request.size ?? size == size, "size", "this model draws \(size.width)x\(size.height)")
    }

    /// Whether a picture fits behind what stands before it.
    func check(_ tokensBefore: Int, _ model: ModelDescription, field: String) throws {
        let (length, limit) = (tokensBefore + tokens, model.limits.contextLength)
        try PipelineError.require(
            length <= limit,
            field,
            "\(length) tokens with the picture to draw; the model holds \(limit)"
        )
    }
}
