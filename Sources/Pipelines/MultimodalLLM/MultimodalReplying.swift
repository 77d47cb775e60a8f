package import Foundation
import Networks
import Tensors
import Tokenizers

/// Pictures and text → text: look at the pictures, read the prompt, then one token a step to the end of the reply.
package struct MultimodalReplying: RestorableRun {
    private let model: MultimodalLLM
    /// What was asked for: a conversation, or a question as a conversation of one turn.
    private let original: RunRequest
    private let request: ChatRequest
    private let prompt: MultimodalPrompt
    private var encodings: VisualEncodings
    private(set) var reader: MultimodalReader
    private(set) var state: State
    private var text: ReplyText
    package private(set) var news: [ReplyNews] = []
    /// Scores of the tokens since the last news.
    private var untold: [TokenScore] = []

    /// What is saved between two steps. What was made of the inputs is not: it is large, and made again.
    struct State: Codable, Sendable {
        /// Generated ids, the end left out.
        var ids: [Int] = []
        /// Of the generated ids, where the request asks for them.
        var scores: [TokenScore] = []
        var sampler: TokenSampler
        var finishReason: GeneratedAnswer.FinishReason?
    }

    /// - Parameters:
    ///   - original: `.answer`, or `.chat` of one reply: it decides what the result looks like
    ///   - request: the same as a conversation
    init(_ model: MultimodalLLM, _ original: RunRequest, _ request: ChatRequest, _ prompt: MultimodalPrompt) {
        self.model = model
        self.original = original
        self.request = request
        self.prompt = prompt
        encodings = VisualEncodings(prompt.inputs, model)
        reader = MultimodalReader(prompt)
        state = State(sampler: TokenSampler(request.sampling, seed: request.seed))
        text = ReplyText(model.tokenizer, stop: StopStrings(request.stop))
    }

    // MARK: Steps

    package var progress: RunProgress {
        // The first token comes out of the last pass of the prompt.
        let steps = encodings.steps + prompt.sequence.passes.count + request.maxTokens - 1
        let step = stage == .finished ? steps : min(steps, encodings.step + reader.readCount)
        return RunProgress(stage: stage, step: step, steps: steps)
    }

    private var stage: RunProgress.Stage {
        if state.finishReason != nil { return .finished }
        if !encodings.isFinished { return .encodeImage }
        return reader.readCount < prompt.sequence.passes.count ? .prefill : .decodeToken
    }

    package mutating func advance() throws -> RunResult? {
        news = []
        switch stage {
        case .encodeImage: try encodings.advance(model)
        case .prefill, .decodeToken: readPass()
        case .denoise, .decodeLatents, .finished: break
        }
        return state.finishReason.map(result)
    }

    private mutating func readPass() {
        let hidden = reader.readPass(model, features: encodings.features)
        guard reader.isFinished else { return }
        let (rows, width) = (hidden.shape[1], hidden.shape[2])
        let last = hidden.reshaped([rows, width])[(rows - 1)..<rows].reshaped([1, 1, width])
        take(model.text.logits(last).array)
    }

    /// Chooses the next token.
    private mutating func take(_ logits: [Float]) {
        let id = state.sampler.next(model.repetitionPenalty(logits, prompt: prompt.tokens, reply: state.ids))
        guard !model.endTokens.contains(id) else {
            tell(text.finish(), finish: .stop)
            return
        }
        state.ids.append(id)
        if let top = request.topLogProbabilities {
            let score = TokenScore(id, logits, top: top, model.tokenizer)
            state.scores.append(score)
            untold.append(score)
        }
        let delta = text.append(id)
        if text.isStopped {
            tell(delta, finish: .stop)
        } else if state.ids.count == request.maxTokens
            || prompt.count + state.ids.count >= model.text.config.contextLength
        {
            let rest = text.finish()
            // What the limit lets go may still hold a stop string.
            tell(delta + rest, finish: text.isStopped ? .stop : .length)
        } else {
            tell(delta)
            reader.append(id)
        }
    }

    private mutating func tell(_ delta: String, finish reason: GeneratedAnswer.FinishReason? = nil) {
        if let reason {
            state.finishReason = reason
            reader.finish()
        }
        guard !delta.isEmpty || reason != nil && !untold.isEmpty else { return }
        news.append(ReplyNews(.text(delta, scores: untold)))
        untold = []
    }

    private func result(_ finishReason: GeneratedAnswer.FinishReason) -> RunResult {
        let usage = TokenUsage(inputTokens: prompt.count, outputTokens: state.ids.count)
        let scores = request.topLogProbabilities == nil ? nil : state.scores
        let answer = GeneratedAnswer(text: text.text, tokenIDs: state.ids, finishReason: finishReason)
        return RunResult(answer, scores: scores, usage: usage, to: original)
    }

    // MARK: Continuation

    package func archivedState() throws -> Data {
        try SavedRun.archive(state, of: original, model: model.fingerprint)
    }

    /// Continues from a saved state: the prompt and the tokens so far are read again first.
    package mutating func restore(_ data: Data) throws {
        let saved = try SavedRun<State>.restore(data, of: original, model: model.fingerprint)
        guard saved.ids.count <= request.maxTokens,
            saved.ids.allSatisfy({ (0..<model.text.config.vocabularySize).contains($0) }),
            saved.scores.count == (request.topLogProbabilities == nil ? 0 : saved.ids.count)
        else {
            throw PipelineError.invalidState(reason: "it doesn't fit the request")
        }
        state = saved
        untold = saved.scores
        for id in saved.ids { reader.append(id) }
        var told = ""
        for id in saved.ids { told += text.append(id) }
        tell(told)
    }
}
