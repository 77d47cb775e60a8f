package import Foundation
package import Images

/// A loaded model of one family: it validates requests and turns them into runs.
///
/// Weights are immutable and shared, so one pipeline serves many runs at once; everything that changes lives in the run.
package protocol Pipeline: Sendable {
    /// What the model reads, draws and allows.
    var description: ModelDescription { get }

    /// Checks a request and prepares its run without computing anything.
    /// - Throws: `PipelineError.invalidRequest` naming the field that this model can't accept.
    func run(for request: RunRequest) throws -> any PipelineRun

    /// Continues a run from the state that `PipelineRun.archivedState()` wrote: its result has the same bytes as
    /// the result of the run that was never interrupted.
    /// - Throws: `PipelineError.invalidState` when the state doesn't belong to this request and model.
    func resume(_ request: RunRequest, from state: Data) throws -> any PipelineRun
}

/// A resumable sequence of steps; the engine decides when the next one runs.
package protocol PipelineRun: Sendable {
    /// Where the run stands before its next step.
    var progress: RunProgress { get }

    /// Computes exactly one step: a prefill chunk, a decoded token, an encoded picture, a denoise step, decoded latents.
    /// - Returns: the result after the last step, nil before.
    mutating func advance() throws -> RunResult?

    /// What the last step added to a reply; of a run that was just resumed, everything that was added before. Only chat
    /// has news: by the last step they have told all that is in the result.
    var news: [ReplyNews] { get }

    /// The state between two steps as bytes for `Pipeline.resume(_:from:)`.
    func archivedState() throws -> Data
}

extension PipelineRun {
    package var news: [ReplyNews] { [] }
}

/// What a run is doing: `step` of `steps` are finished and the next one belongs to `stage`.
package struct RunProgress: Codable, Sendable, Equatable {
    /// Kinds of step, in the order in which a picture or an answer goes through them.
    package enum Stage: String, Codable, Sendable, CaseIterable {
        case encodeImage = "encode_image"
        case prefill
        case decodeToken = "decode_token"
        case denoise
        case decodeLatents = "decode_latents"
        case finished
    }

    package var stage: Stage
    package var step: Int
    /// Total steps; for text the upper bound given by the token limit.
    package var steps: Int

    package init(stage: Stage, step: Int, steps: Int) {
        self.stage = stage
        self.step = step
        self.steps = steps
    }

    /// Finished share of the run, 0…1.
    package var fraction: Double { steps > 0 ? min(1, Double(step) / Double(steps)) : 0 }
}

/// A request as a pipeline understands it, free of HTTP.
package enum RunRequest: Codable, Sendable, Equatable {
    case generation(GenerationRequest)
    case answer(AnswerRequest)
    case chat(ChatRequest)
}

/// Draw pictures from a prompt, from pictures, or from both.
package struct GenerationRequest: Codable, Sendable, Equatable {
    /// May be empty only with pictures (reconstruction).
    package var prompt: String
    package var negativePrompt: String?
    /// Conditioning pictures in the order given.
    package var images: [PixelImage]
    /// 1…8 pictures; picture i is drawn from `seed + i`.
    package var count: Int
    /// Pixels; nil takes the model's own size.
    package var size: PictureSize?
    /// What `torch.Generator().manual_seed(seed)` takes.
    package var seed: UInt64
    /// 1…1000; nil takes the model's default.
    package var steps: Int?
    package var guidanceScale: Double?
    package var imageGuidanceScale: Double?

    package init(
        prompt: String,
        negativePrompt: String? = nil,
        images: [PixelImage] = [],
        count: Int = 1,
        size: PictureSize? = nil,
        seed: UInt64,
        steps: Int? = nil,
        guidanceScale: Double? = nil,
        imageGuidanceScale: Double? = nil
    ) {
        self.prompt = prompt
        self.negativePrompt = negativePrompt
        self.images = images
        self.count = count
        self.size = size
        self.seed = seed
        self.steps = steps
        self.guidanceScale = guidanceScale
        self.imageGuidanceScale = imageGuidanceScale
    }
}

/// Answer a question, about pictures or about nothing but text.
package struct AnswerRequest: Codable, Sendable, Equatable {
    /// Empty asks for a caption of the pictures.
    package var question: String
    package var images: [PixelImage]
    /// A maximum of generated tokens, visual tokens included; never one more.
    package var maxTokens: Int
    package var sampling: TokenSampling
    /// Seeds the draw of tokens where `sampling.temperature` > 0.
    package var seed: UInt64
    /// The reply ends before the first of these strings.
    package var stop: [String]

    package init(
        question: String,
        images: [PixelImage] = [],
        maxTokens: Int = 512,
        sampling: TokenSampling = .greedy,
        seed: UInt64 = 0,
        stop: [String] = []
    ) {
        self.question = question
        self.images = images
        self.maxTokens = maxTokens
        self.sampling = sampling
        self.seed = seed
        self.stop = stop
    }
}

/// How the next token is chosen from the logits.
package struct TokenSampling: Codable, Sendable, Equatable {
    /// 0 takes the largest logit.
    package var temperature: Double
    /// Smallest set of tokens whose probabilities reach this share, 0 < topP ≤ 1.
    package var topP: Double
    /// Number of most likely tokens to draw from; nil takes all.
    package var topK: Int?

    package static let greedy = TokenSampling(temperature: 0, topP: 1, topK: nil)

    package init(temperature: Double, topP: Double = 1, topK: Int? = nil) {
        self.temperature = temperature
        self.topP = topP
        self.topK = topK
    }

    /// - Throws: `PipelineError.invalidRequest`
    func check() throws {
        guard temperature.isFinite, temperature >= 0 else {
            throw PipelineError.invalidRequest(field: "temperature", reason: "must not be negative")
        }
        guard topP > 0, topP <= 1 else {
            throw PipelineError.invalidRequest(field: "top_p", reason: "must be above 0 and at most 1")
        }
        guard topK.map({ $0 >= 1 }) ?? true else {
            throw PipelineError.invalidRequest(field: "top_k", reason: "must be at least 1")
        }
    }
}

/// Width and height in pixels.
package struct PictureSize: Codable, Sendable, Equatable, Hashable {
    package var width: Int
    package var height: Int

    package init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }
}

/// What a finished run hands over.
package enum RunResult: Sendable, Equatable {
    case pictures([GeneratedPicture], usage: TokenUsage)
    case answer(GeneratedAnswer, usage: TokenUsage)
    /// As many replies as were asked for.
    case replies([ChatReply], usage: TokenUsage)
}

/// One picture and the seed that draws it again.
package struct GeneratedPicture: Codable, Sendable, Equatable {
    package var image: PixelImage
    package var seed: UInt64
    /// Whether a model that replies in text and pictures drew it only because it was made to.
    package var isForced: Bool

    package init(image: PixelImage, seed: UInt64, isForced: Bool = false) {
        self.image = image
        self.seed = seed
        self.isForced = isForced
    }
}

/// A finished reply in text.
package struct GeneratedAnswer: Sendable, Equatable {
    package enum FinishReason: String, Codable, Sendable {
        /// The model ended its reply, or a stop string did.
        case stop
        /// The token limit did.
        case length
    }

    package var text: String
    /// Generated ids, image markers included, EOS left out.
    package var tokenIDs: [Int]
    package var finishReason: FinishReason

    package init(text: String, tokenIDs: [Int], finishReason: FinishReason) {
        self.text = text
        self.tokenIDs = tokenIDs
        self.finishReason = finishReason
    }
}

/// Tokens that went through the language model: of one conditioned sequence, guidance branches not counted again.
package struct TokenUsage: Codable, Sendable, Equatable {
    package var inputTokens: Int
    package var outputTokens: Int

    package init(inputTokens: Int, outputTokens: Int) {
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
    }
}

/// Why a pipeline refuses or gives up.
package enum PipelineError: Error, Equatable, CustomStringConvertible {
    /// The request's `field` (its name in the HTTP API) holds something this model can't take.
    case invalidRequest(field: String, reason: String)
    /// The saved state can't be continued.
    case invalidState(reason: String)
    /// The configuration names a family or option that can't be served.
    case unsupported(reason: String)

    package var description: String {
        switch self {
        case .invalidRequest(let field, let reason): "\(field): \(reason)"
        case .invalidState(let reason): "saved state can't be continued: \(reason)"
        case .unsupported(let reason): reason
        }
    }
}
