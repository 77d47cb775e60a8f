import Images
import Networks
import Tensors
import Tokenizers

/// The language model at work on one reply: it reads the prompt's pictures and the prompt, then writes token by token.
///
/// The rules are those of the official `greedy_decode`, with a cache of keys and values where that reads everything
/// anew. `<image_start>` switches to image mode, in which the vision head writes and what it wrote is read again; after
/// as many visual tokens as a picture has, text goes on. The counter of visual tokens starts anew only behind
/// `<image_end>`: without it, a second `<image_start>` opens nothing but text that is read from the vision head. Image
/// mode, too, ends where the language-model head sees the end of the reply.
struct VisualDecoding: Sendable {
    /// What is wanted of the reply. Together with the prompt it decides what is written.
    struct Rules: Equatable, Sendable {
        var sampling: TokenSampling
        /// Of the sampling; nothing depends on it where the largest logit is taken.
        var seed: UInt64
        /// A maximum of tokens, visual ones included, but for a picture that `endsWithPicture` wants finished.
        var maxTokens: Int
        /// Whether `<image_start>` may be written.
        var mayDraw = true
        /// Whether the reply ends behind its first picture, which the model is made to draw if it doesn't by itself.
        var endsWithPicture = false
        var topLogProbabilities: Int?
        /// Whoever reads the text ends the reply before the first of these strings.
        var stop: [String] = []

        /// The rules without what they do not depend on.
        var normalized: Rules {
            var rules = self
            if sampling.temperature == 0 {
                rules.sampling = .greedy
                rules.seed = 0
            }
            return rules
        }
    }

    /// What is saved between two steps.
    struct State: Codable, Sendable {
        /// Visual tokens of the prompt's pictures, as far as they are encoded; none of a finished reply.
        var sources: [VisualTokens] = []
        var transcript = Transcript()
        var sampler: TokenSampler
        var isInImageMode = false
        /// Visual tokens since the last `<image_end>`.
        var imageTokens = 0
    }

    /// What the model makes of the rows read last.
    struct Prediction {
        /// Behind the final norm: [1, 1, width]
        var hidden: Tensor
        /// In image mode: [1, 1, visionWidth]
        var visualToken: Tensor?
        /// What the language-model head sees: the hidden row, in image mode the projected visual token; [1, 1, width]
        var headInput: Tensor
        /// Of the whole vocabulary.
        var logits: [Float]
    }

    let prompt: MetaMorphPrompt
    private let model: MetaMorphModel
    private let rules: Rules
    private let key: TranscriptCache.Key
    private let maxTokens: Int
    private var greedy = TokenSampler(.greedy, seed: 0)
    private(set) var reader: VisualReader
    private(set) var state: State

    /// Finished from the beginning where the model has the transcript of the same turns and rules.
    init(_ model: MetaMorphModel, _ prompt: MetaMorphPrompt, _ rules: Rules) {
        self.model = model
        self.prompt = prompt
        self.rules = rules
        key = TranscriptCache.Key(turns: prompt.turns, rules: rules.normalized)
        maxTokens = min(rules.maxTokens, model.room(behind: prompt.sequence.count, forPicture: rules.endsWithPicture))
        reader = VisualReader(prompt.sequence)
        state = State(sampler: TokenSampler(rules.sampling, seed: rules.seed))
        if let transcript = model.transcripts[key] { state.transcript = transcript }
    }

    // MARK: Progress

    var transcript: Transcript { state.transcript }
    var isFinished: Bool { transcript.finishReason != nil }
    var usage: TokenUsage { TokenUsage(inputTokens: prompt.sequence.count, outputTokens: transcript.count) }

    var stage: RunProgress.Stage {
        if isFinished { return .finished }
        if state.sources.count < prompt.images.count { return .encodeImage }
        return reader.readCount < prompt.sequence.passes.count ? .prefill : .decodeToken
    }

    /// Steps done, of `steps`.
    var step: Int { isFinished ? steps : min(steps, state.sources.count + reader.readCount) }

    /// An upper bound: the first token comes out of the last pass of the prompt.
    var steps: Int { prompt.images.count + prompt.sequence.passes.count + maxTokens - 1 }

    // MARK: Steps

    /// One step: a picture encoded, a pass of the prompt read, or a token written.
    mutating func advance() {
        switch stage {
        case .encodeImage: state.sources.append(model.encode(prompt.images[state.sources.count]))
        case .prefill, .decodeToken:
            if let prediction = predict() { take(prediction) }
        case .denoise, .decodeLatents, .finished: break
        }
    }

    /// Reads the next pass.
    /// - Returns: what follows, once everything is read
    mutating func predict() -> Prediction? {
        let drawn = transcript.pictures.map(\.tokens)
        guard let hidden = reader.readPass(model, sources: state.sources, drawn: drawn) else { return nil }
        let network = model.network
        let visualToken = state.isInImageMode ? network.drawVisualTokens(after: hidden) : nil
        let headInput = visualToken.map(network.project) ?? hidden
        return Prediction(
            hidden: hidden,
            visualToken: visualToken,
            headInput: headInput,
            // Rows of the table that no token belongs to are never written.
            logits: Array(network.text.logits(normalized: headInput).array.prefix(model.tokenizer.vocabularySize))
        )
    }

    /// Writes what follows from a prediction.
    mutating func take(_ prediction: Prediction) {
        if let visualToken = prediction.visualToken, state.imageTokens < model.config.visualTokens {
            write(visualToken, isEnd: model.markers.ends.contains(greedy.next(prediction.logits)))
        } else {
            write(prediction.logits)
        }
    }

    private mutating func write(_ visualToken: Tensor, isEnd: Bool) {
        state.transcript.append(VisualTokens(visualToken))
        state.imageTokens += 1
        let isLast = state.imageTokens == model.config.visualTokens
        if isLast { state.isInImageMode = false }
        if rules.endsWithPicture {
            if isLast { return finish(.stop) }
            if isEnd { state.transcript.isForced = true }
        } else if isEnd {
            return finish(.stop)
        } else if transcript.count >= maxTokens {
            return finish(.length)
        }
        let picture = transcript.pictures.count - 1
        reader.appendPass(.drawn(picture, token: transcript.pictures[picture].count - 1))
    }

    private mutating func write(_ logits: [Float]) {
        var allowed = logits
        if !rules.mayDraw { allowed[model.markers.imageStart] = -.infinity }
        let id = state.sampler.next(allowed)
        guard !model.markers.ends.contains(id) else { return end(.stop) }
        let score = rules.topLogProbabilities.map { TokenScore(id, logits, top: $0, model.tokenizer) }
        state.transcript.append(id, score: score)
        if !state.isInImageMode, id == model.markers.imageStart {
            state.isInImageMode = true
        } else if id == model.markers.imageEnd {
            state.isInImageMode = false
            state.imageTokens = 0
        }
        reader.appendPass(.tokens([id]))
        if transcript.count >= maxTokens, !(rules.endsWithPicture && state.isInImageMode) { end(.length) }
    }

    /// The reply ends in text.
    private mutating func end(_ reason: GeneratedAnswer.FinishReason) {
        guard rules.endsWithPicture else { return finish(reason) }
        state.transcript.isForced = true
        state.transcript.append(model.markers.imageStart, score: nil)
        state.isInImageMode = true
        state.imageTokens = 0
        reader.appendPass(.tokens([model.markers.imageStart]))
    }

    /// The reply is complete: what it came from is not needed any more.
    mutating func finish(_ reason: GeneratedAnswer.FinishReason) {
        state.transcript.finishReason = reason
        state.sources = []
        reader.finish()
        model.transcripts.insert(transcript, for: key)
    }

    // MARK: Continuation

    /// Goes on from a saved state: the prompt and what was written are read again first.
    /// - Throws: `PipelineError.invalidState` where the state is not one of this prompt.
    mutating func restore(_ saved: State) throws {
        let config = model.config
        let sourceCount = config.visualTokens * config.visionWidth
        guard saved.sources.count <= prompt.images.count,
            saved.sources.allSatisfy({ $0.values.count == sourceCount }),
            saved.transcript.fits(
                visionWidth: config.visionWidth,
                visualTokens: config.visualTokens,
                vocabularySize: model.tokenizer.vocabularySize
            ),
            (0...config.visualTokens).contains(saved.imageTokens)
        else {
            throw PipelineError.invalidState(reason: "it doesn't fit the request")
        }
        state = saved
        for piece in saved.transcript.pieces { reader.appendPass(piece) }
    }
}
