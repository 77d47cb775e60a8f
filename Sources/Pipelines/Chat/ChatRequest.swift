import Foundation
package import Images

/// Continue a conversation of text and pictures.
package struct ChatRequest: Codable, Sendable, Equatable {
    /// Oldest first; the last one is the user's.
    package var turns: [ChatTurn]
    /// How many replies to write; reply i draws its tokens and pictures from `seed + i`.
    package var count: Int
    /// A maximum of generated tokens of each reply, visual tokens included; never one more.
    package var maxTokens: Int
    package var sampling: TokenSampling
    package var seed: UInt64
    /// A reply ends before the first of these strings in its text.
    package var stop: [String]
    /// What a reply may hold. Nil leaves it to the model; a model that can't do without what is missing refuses.
    package var modalities: [ModelDescription.Modality]?
    /// How many alternatives to report for every generated token, beside its own log-probability; nil reports nothing.
    package var topLogProbabilities: Int?
    package var rendering: Rendering

    /// How pictures within a reply are rendered. Nil takes the model's defaults.
    package struct Rendering: Codable, Sendable, Equatable {
        package var steps: Int?
        /// Each picture is rendered once at each of these; empty takes the model's default.
        package var guidanceScales: [Double]

        package init(steps: Int? = nil, guidanceScales: [Double] = []) {
            self.steps = steps
            self.guidanceScales = guidanceScales
        }
    }

    package init(
        turns: [ChatTurn],
        count: Int = 1,
        maxTokens: Int = 512,
        sampling: TokenSampling = .greedy,
        seed: UInt64 = 0,
        stop: [String] = [],
        modalities: [ModelDescription.Modality]? = nil,
        topLogProbabilities: Int? = nil,
        rendering: Rendering = Rendering()
    ) {
        self.turns = turns
        self.count = count
        self.maxTokens = maxTokens
        self.sampling = sampling
        self.seed = seed
        self.stop = stop
        self.modalities = modalities
        self.topLogProbabilities = topLogProbabilities
        self.rendering = rendering
    }

    /// A question, as a conversation of one turn.
    init(_ request: AnswerRequest) {
        self.init(
            turns: [ChatTurn(.user, request.question, images: request.images)],
            maxTokens: request.maxTokens,
            sampling: request.sampling,
            seed: request.seed,
            stop: request.stop
        )
    }

    /// All pictures of the conversation in the order in which they were given.
    package var images: [PixelImage] { turns.flatMap(\.images) }

    /// More messages than any model holds.
    private static let turnLimit = 4096

    /// - Throws: `PipelineError.invalidRequest` for what no model can do.
    func check() throws {
        try PipelineError.require(turns.last?.role == .user, "messages", "must end with a message of the user")
        try PipelineError.require(
            turns.last.map { !$0.images.isEmpty || !$0.text.isEmpty } ?? false,
            "messages",
            "the last message is empty"
        )
        try PipelineError.require(turns.count <= Self.turnLimit, "messages", "must be at most \(Self.turnLimit)")
        try PipelineError.requireLength(of: turns.map(\.text), "messages")
        try PipelineError.require((1...8).contains(count), "n", "must be 1…8")
        try PipelineError.require(maxTokens >= 1, "max_tokens", "must be at least 1")
        try sampling.check()
        try PipelineError.require(stop.allSatisfy { !$0.isEmpty }, "stop", "must not hold an empty string")
        try PipelineError.require((0...20).contains(topLogProbabilities ?? 0), "top_logprobs", "must be 0…20")
        try PipelineError.require((1...1000).contains(rendering.steps ?? 1), "num_inference_steps", "must be 1…1000")
        try PipelineError.require(
            rendering.guidanceScales.allSatisfy { $0.isFinite && $0 >= 0 },
            "guidance_scale",
            "must be finite and not negative"
        )
    }
}

/// What one side said.
package struct ChatTurn: Codable, Sendable, Equatable {
    package enum Role: String, Codable, Sendable, CaseIterable {
        case system, user, assistant
    }

    package enum Part: Codable, Sendable, Equatable {
        case text(String)
        case picture(PixelImage)
    }

    /// Where a picture of a turn stands in its text.
    package static let placeholder = "<image-placeholder>"

    package var role: Role
    /// As they were sent; `arranged()` has the order in which they are read.
    package var parts: [Part]

    package init(_ role: Role, _ parts: [Part]) {
        self.role = role
        self.parts = parts
    }

    package init(_ role: Role, _ text: String, images: [PixelImage] = []) {
        self.init(role, images.map(Part.picture) + [.text(text)])
    }

    package var images: [PixelImage] {
        parts.compactMap { if case .picture(let image) = $0 { image } else { nil } }
    }

    /// All text, without what stands between its parts.
    package var text: String {
        parts.map { if case .text(let text) = $0 { text } else { "" } }.joined()
    }

    /// The parts in the order in which a model reads them, none of them empty: a user's pictures stand at the
    /// placeholders of its text, or before the text if it has none; everybody else's parts stay where they are. In a
    /// turn without pictures a placeholder is text like any other.
    /// - Parameter field: what the request calls the text
    /// - Throws: `PipelineError.invalidRequest` where placeholders and pictures are not equally many.
    package func arranged(field: String = "messages") throws -> [Part] {
        let images = images
        guard role == .user, !images.isEmpty else { return parts.filter { $0 != .text("") } }
        let texts = text.components(separatedBy: Self.placeholder)
        let arranged: [Part]
        if texts.count == 1 {
            arranged = images.map(Part.picture) + [.text(text)]
        } else if texts.count == images.count + 1 {
            arranged = [.text(texts[0])] + zip(images, texts.dropFirst()).flatMap { [Part.picture($0), .text($1)] }
        } else {
            throw PipelineError.invalidRequest(
                field: field,
                reason: "a message has \(texts.count - 1) placeholders for \(images.count) pictures"
            )
        }
        return arranged.filter { $0 != .text("") }
    }
}
