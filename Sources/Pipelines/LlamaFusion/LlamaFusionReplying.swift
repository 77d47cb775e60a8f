package import Foundation
import Images
import Networks
import Tensors
import Tokenizers

/// Pictures and text → text: encode the pictures, read the prompt, then one token a step to the end of the reply.
package struct LlamaFusionReplying: RestorableRun {
    private let model: LlamaFusionModel
    /// What was asked for: a conversation, or a question as a conversation of one turn.
    private let original: RunRequest
    private let request: ChatRequest
    private let images: [PixelImage]
    private let promptPasses: Int
    private let inputTokens: Int
    private(set) var reader: FusionReader
    private(set) var state: State
    private var text: ReplyText
    package private(set) var news: [ReplyNews] = []
    /// Scores of the tokens since the last news.
    private var untold: [TokenScore] = []

    /// What is saved between two steps.
    struct State: Codable, Sendable {
        /// Clean latents of the given pictures, as far as they are encoded.
        var sources: [Latents] = []
        /// Generated ids, EOS left out.
        var ids: [Int] = []
        /// Of the generated ids, where the request asks for them.
        var scores: [TokenScore] = []
        var sampler: TokenSampler
        var finishReason: GeneratedAnswer.FinishReason?
    }

    /// - Parameters:
    ///   - original: `.answer`, or `.chat` of one reply: it decides what the result looks like
    ///   - request: the same as a conversation
    ///   - images: the prompt's pictures in the order of their indices
    init(
        _ model: LlamaFusionModel,
        _ original: RunRequest,
        _ request: ChatRequest,
        prompt: FusionSequence,
        images: [PixelImage]
    ) {
        self.model = model
        self.original = original
        self.request = request
        self.images = images
        promptPasses = prompt.passes.count
        inputTokens = model.length(of: prompt)
        reader = FusionReader(prompt, model)
        state = State(sampler: TokenSampler(request.sampling, seed: request.seed))
        text = ReplyText(model.tokenizer, stop: StopStrings(request.stop))
    }

    // MARK: Steps

    package var progress: RunProgress {
        // The first token comes out of the last pass of the prompt.
        let steps = images.count + promptPasses + request.maxTokens - 1
        let step = stage == .finished ? steps : min(steps, state.sources.count + reader.readCount)
        return RunProgress(stage: stage, step: step, steps: steps)
    }

    private var stage: RunProgress.Stage {
        if state.finishReason != nil { return .finished }
        if state.sources.count < images.count { return .encodeImage }
        return reader.readCount < promptPasses ? .prefill : .decodeToken
    }

    package mutating func advance() throws -> RunResult? {
        news = []
        switch stage {
        case .encodeImage: state.sources.append(model.painter.encode(images[state.sources.count]))
        case .prefill, .decodeToken: readPass()
        case .denoise, .decodeLatents, .finished: break
        }
        return state.finishReason.map(result)
    }

    private mutating func readPass() {
        let hidden = reader.readPass(model, pictures: state.sources)
        guard reader.isFinished, let hidden else { return }
        let rows = hidden.shape[1]
        let last = hidden.reshaped([rows, hidden.shape[2]])[(rows - 1)..<rows].reshaped([1, 1, hidden.shape[2]])
        take(model.network.text.logits(last).array)
    }

    /// Chooses the next token.
    private mutating func take(_ logits: [Float]) {
        let id = state.sampler.next(logits)
        guard !model.config.eosTokenIDs.contains(id) else {
            state.finishReason = .stop
            return tell(text.finish())
        }
        state.ids.append(id)
        if let top = request.topLogProbabilities {
            let score = TokenScore(id, logits, top: top, model.tokenizer)
            state.scores.append(score)
            untold.append(score)
        }
        let delta = text.append(id)
        if text.isStopped {
            state.finishReason = .stop
            tell(delta)
        } else if state.ids.count == request.maxTokens
            || inputTokens + state.ids.count >= model.config.text.contextLength
        {
            let rest = text.finish()
            // What the limit lets go may still hold a stop string.
            state.finishReason = text.isStopped ? .stop : .length
            tell(delta + rest)
        } else {
            tell(delta)
            reader.append([.tokens([id])])
        }
    }

    private mutating func tell(_ delta: String) {
        let isLast = state.finishReason != nil
        guard !delta.isEmpty || isLast && !untold.isEmpty else { return }
        news.append(ReplyNews(.text(delta, scores: untold)))
        untold = []
    }

    private func result(_ finishReason: GeneratedAnswer.FinishReason) -> RunResult {
        let usage = TokenUsage(inputTokens: inputTokens, outputTokens: state.ids.count)
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
        guard saved.sources.count <= images.count,
            saved.sources.allSatisfy({ $0.values.count == model.painter.latentCount }),
            saved.ids.count <= request.maxTokens,
            saved.ids.allSatisfy({ (0..<model.config.text.vocabularySize).contains($0) }),
            saved.scores.count == (request.topLogProbabilities == nil ? 0 : saved.ids.count)
        else {
            throw PipelineError.invalidState(reason: "it doesn't fit the request")
        }
        state = saved
        untold = saved.scores
        reader.append(saved.ids.map { .tokens([$0]) })
        var told = ""
        for id in saved.ids { told += text.append(id) }
        tell(told)
    }
}
