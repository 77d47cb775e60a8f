/// What a loaded model can do, with its defaults and limits.
package struct ModelDescription: Sendable, Equatable {
    package enum Modality: String, Codable, Sendable, CaseIterable {
        case text, image
    }

    package enum Task: String, Codable, Sendable {
        /// Text to image.
        case generate
        /// Pictures (and text) to image.
        case edit
        /// Text, with or without pictures, to text.
        case answer
    }

    package var family: String
    package var tasks: Set<Task>
    package var inputModalities: [Modality]
    package var outputModalities: [Modality]
    package var defaults: GenerationDefaults
    package var limits: ModelLimits
    /// Bytes of weights as stored.
    package var weightBytes: Int

    package init(
        family: String,
        tasks: Set<Task>,
        inputModalities: [Modality],
        outputModalities: [Modality],
        defaults: GenerationDefaults,
        limits: ModelLimits,
        weightBytes: Int
    ) {
        self.family = family
        self.tasks = tasks
        self.inputModalities = inputModalities
        self.outputModalities = outputModalities
        self.defaults = defaults
        self.limits = limits
        self.weightBytes = weightBytes
    }

    /// A model that only answers.
    package init(
        answering family: String,
        inputModalities: [Modality],
        maximumImages: Int,
        contextLength: Int,
        weightBytes: Int
    ) {
        let none = PictureSize(width: 0, height: 0)
        self.init(
            family: family,
            tasks: [.answer],
            inputModalities: inputModalities,
            outputModalities: [.text],
            defaults: GenerationDefaults(steps: 0, guidanceScale: 0, imageGuidanceScale: 0, size: none),
            limits: ModelLimits(
                minimumSize: none,
                maximumSize: none,
                sizeMultiple: 1,
                maximumImages: maximumImages,
                contextLength: contextLength
            ),
            weightBytes: weightBytes
        )
    }

    /// Whether the model draws. Of one that doesn't, `defaults` and the sizes among its `limits` say nothing.
    package var draws: Bool { tasks.contains(.generate) || tasks.contains(.edit) }
}

/// What a request gets where it says nothing: the family's values, overridden by the model's entry in the configuration.
package struct GenerationDefaults: Codable, Sendable, Equatable {
    package var steps: Int
    package var guidanceScale: Double
    package var imageGuidanceScale: Double
    package var size: PictureSize

    package init(steps: Int, guidanceScale: Double, imageGuidanceScale: Double, size: PictureSize) {
        self.steps = steps
        self.guidanceScale = guidanceScale
        self.imageGuidanceScale = imageGuidanceScale
        self.size = size
    }
}

/// Sizes and lengths that a model accepts.
package struct ModelLimits: Codable, Sendable, Equatable {
    package var minimumSize: PictureSize
    package var maximumSize: PictureSize
    /// Width and height are multiples of this.
    package var sizeMultiple: Int
    /// Conditioning pictures a request may bring.
    package var maximumImages: Int
    /// Tokens of a whole sequence, pictures included.
    package var contextLength: Int

    package init(
        minimumSize: PictureSize,
        maximumSize: PictureSize,
        sizeMultiple: Int,
        maximumImages: Int,
        contextLength: Int
    ) {
        self.minimumSize = minimumSize
        self.maximumSize = maximumSize
        self.sizeMultiple = sizeMultiple
        self.maximumImages = maximumImages
        self.contextLength = contextLength
    }
}
