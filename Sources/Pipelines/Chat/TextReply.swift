import Tokenizers

/// A reply of words alone in the writing: it takes token after token, ends where the model, a stop string or a limit ends
/// it, and tells what is certain of its text.
struct TextReply: Sendable {
    /// What is saved between two steps.
    struct State: Codable, Sendable {
        /// Generated ids, the end left out.
        var ids: [Int] = []
        /// Of the generated ids, where the request asks for them.
        var scores: [TokenScore] = []
        var sampler: TokenSampler
        var finishReason: GeneratedAnswer.FinishReason?
    }

    /// The model that writes.
    struct Writer: Sendable {
        var tokenizer: Tokenizer
        /// Each of them ends a reply.
        var endTokens: Set<Int>
        var vocabularySize: Int
        /// Tokens of prompt and reply.
        var contextLength: Int
    }

    private let writer: Writer
    /// What was asked for: a conversation, or a question as a conversation of one turn.
    private let original: RunRequest
    private let request: ChatRequest
    /// Tokens of the prompt.
    private let inputTokens: Int
    private(set) var state: State
    private var text: ReplyText
    /// Of the last step.
    private(set) var news: [ReplyNews] = []
    /// Scores of the tokens since the last news.
    private var untold: [TokenScore] = []

    init(_ writer: Writer, _ original: RunRequest, _ request: ChatRequest, inputTokens: Int) {
        self.writer = writer
        self.original = original
        self.request = request
        self.inputTokens = inputTokens
        state = State(sampler: TokenSampler(request.sampling, seed: request.seed))
        text = ReplyText(writer.tokenizer, stop: StopStrings(request.stop))
    }

    var isFinished: Bool { state.finishReason != nil }

    /// Nil before the reply is finished.
    var result: RunResult? {
        guard let reason = state.finishReason else { return nil }
        return RunResult(
            GeneratedAnswer(text: text.text, tokenIDs: state.ids, finishReason: reason),
            scores: request.topLogProbabilities == nil ? nil : state.scores,
            usage: TokenUsage(inputTokens: inputTokens, outputTokens: state.ids.count),
            to: original
        )
    }

    // MARK: Steps

    mutating func forgetNews() { news = [] }

    /// Chooses the next token.
    /// - Parameters:
    ///   - logits: of the whole vocabulary
    ///   - adjusted: what they are for the choice, where that is something else
    /// - Returns: the token; nil where the reply ends before or with it
    mutating func write(_ logits: [Float], choosingFrom adjusted: [Float]? = nil) -> Int? {
        let id = state.sampler.next(adjusted ?? logits)
        guard !writer.endTokens.contains(id) else {
            finish(.stop, text.finish())
            return nil
        }
        state.ids.append(id)
        if let top = request.topLogProbabilities {
            let score = TokenScore(id, logits, top: top, writer.tokenizer)
            state.scores.append(score)
            untold.append(score)
        }
        let delta = text.append(id)
        if text.isStopped {
            finish(.stop, delta)
        } else if state.ids.count == request.maxTokens || inputTokens + state.ids.count >= writer.contextLength {
            let rest = text.finish()
            // What the limit lets go may still hold a stop string.
            finish(text.isStopped ? .stop : .length, delta + rest)
        } else {
            tell(delta)
            return id
        }
        return nil
    }

    private mutating func finish(_ reason: GeneratedAnswer.FinishReason, _ delta: String) {
        state.finishReason = reason
        tell(delta)
    }

    private mutating func tell(_ delta: String) {
        guard !delta.isEmpty || isFinished && !untold.isEmpty else { return }
        news.append(ReplyNews(.text(delta, scores: untold)))
        untold = []
    }

    // MARK: Continuation

    /// Continues from a saved state: what was told before is told again.
    /// - Throws: `PipelineError.invalidState` where it can't be one of this reply.
    mutating func restore(_ saved: State) throws {
        guard saved.ids.count <= request.maxTokens,
            saved.ids.allSatisfy({ (0..<writer.vocabularySize).contains($0) }),
            saved.scores.count == (request.topLogProbabilities == nil ? 0 : saved.ids.count)
        else {
            throw PipelineError.invalidState(reason: "it doesn't fit the request")
        }
        state = saved
        untold = saved.scores
        var told = ""
        for id in saved.ids { told += text.append(id) }
        tell(told)
    }
}
