import Images
import Networks
import Samplers
import Tokenizers

/// MetaQuery (arXiv 2504.06256): a frozen multimodal language model that answers as it always did, and whose reading of
/// learned queries a diffusion model draws from.
package struct MetaQueryPipeline: FamilyPipeline {
    package let description: ModelDescription
    let model: MetaQueryModel
    private let promptTemplate: String
    /// By pictures, where there is nothing but pictures.
    private let reconstructionScale: Double

    init(_ model: MetaQueryModel, _ entry: ModelEntry) throws {
        promptTemplate = try entry.template()
        self.model = model
        let defaults = GenerationDefaults(
            steps: entry.defaults.steps ?? 30,
            guidanceScale: entry.defaults.guidanceScale ?? 4.5,
            imageGuidanceScale: entry.defaults.imageGuidanceScale ?? 1.5,
            size: model.defaultSize
        )
        // The official evaluation's.
        reconstructionScale = entry.defaults.imageGuidanceScale ?? 3
        let multiple = model.diffusion.requestMultiple
        description = ModelDescription(
            family: "metaquery",
            tasks: [.generate, .edit, .answer],
            inputModalities: [.text, .image],
            outputModalities: [.text, .image],
            defaults: defaults,
            limits: ModelLimits(
                minimumSize: PictureSize(width: multiple, height: multiple),
                maximumSize: model.diffusion.maximumSize,
                sizeMultiple: multiple,
                // As many as the official instruction data has.
                maximumImages: 4,
                contextLength: model.languageModel.text.config.contextLength
            ),
            weightBytes: model.weightBytes
        )
    }

    // MARK: Pictures

    package func drawing(_ request: GenerationRequest) throws -> MetaQueryDrawing {
        try request.check()
        try description.checkCount(of: request.images, field: "images")
        let size = request.size ?? description.defaults.size
        try model.diffusion.check(size)
        let schedule = try model.diffusion.scheduler.schedule(requested: request.steps ?? description.defaults.steps)
        return try MetaQueryDrawing(model, request, guidance(of: request), size: size, schedule)
    }

    /// The prompt of a picture out of text stands in the template; an instruction beside pictures stands as it is.
    func guidance(of request: GenerationRequest) throws -> Guidance<MetaQueryBranch> {
        let isInstruction = !request.images.isEmpty
        let caption = isInstruction ? request.prompt : promptTemplate.replacing("{prompt}", with: request.prompt)
        let imageScale = request.prompt.isEmpty ? reconstructionScale : description.defaults.imageGuidanceScale
        return MetaQueryBranch.guidance(
            caption: model.cut(caption),
            negative: model.cut(request.negativePrompt ?? ""),
            pictures: try request.images.map(model.conditioningPicture),
            scale: request.guidanceScale ?? description.defaults.guidanceScale,
            imageScale: request.imageGuidanceScale ?? imageScale
        )
    }

    // MARK: Replies

    /// The language model is frozen: it answers as if nothing had been built around it.
    package func replying(
        to original: RunRequest,
        _ request: ChatRequest,
        _ fields: RequestFields
    ) throws -> MultimodalReplying {
        try model.languageModel.replying(to: original, request, fields)
    }
}
