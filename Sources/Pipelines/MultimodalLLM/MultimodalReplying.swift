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
    private var reply: TextReply

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
        reply = TextReply(
            TextReply.Writer(
                tokenizer: model.tokenizer,
                endTokens: model.endTokens,
                vocabularySize: model.text.config.vocabularySize,
                contextLength: model.text.config.contextLength
            ),
            original,
            request,
            inputTokens: prompt.count
        )
        skipKnown()
    }

    // MARK: Steps

    package var news: [ReplyNews] { reply.news }

    package var progress: RunProgress {
        // The first token comes out of the last pass of the prompt.
        let steps = encodings.steps + prompt.sequence.passes.count + request.maxTokens - 1
        let step = stage == .finished ? steps : min(steps, encodings.step + reader.readCount)
        return RunProgress(stage: stage, step: step, steps: steps)
    }

    private var stage: RunProgress.Stage {
        if reply.isFinished { return .finished }
        if !encodings.isFinished { return .encodeImage }
        return reader.readCount < prompt.sequence.passes.count ? .prefill : .decodeToken
    }

    package mutating func advance() throws -> RunResult? {
        reply.forgetNews()
        // Another run may have read the same pictures meanwhile.
        skipKnown()
        switch stage {
        case .encodeImage: try encodings.advance(model)
        case .prefill, .decodeToken: readPass()
        case .denoise, .decodeLatents, .finished: break
        }
        return reply.result
    }

    private mutating func skipKnown() {
        if !encodings.isFinished, reader.skipKnown(model) { encodings = VisualEncodings([], model) }
    }

    private mutating func readPass() {
        let hidden = reader.readPass(model, features: encodings.features)
        guard reader.isFinished else { return }
        let logits = model.text.logits(hidden.lastRow).array
        let penalized = model.repetitionPenalty(logits, prompt: prompt.tokens, reply: reply.state.ids)
        if let id = reply.write(logits, choosingFrom: penalized) { reader.append(id) }
        if reply.isFinished { reader.finish() }
    }

    // MARK: Continuation

    /// What was made of the inputs is left out: it is large, and made again.
    package func archivedState() throws -> Data {
        try SavedRun.archive(reply.state, of: original, model: model.fingerprint)
    }

    /// Continues from a saved state: the prompt and the tokens so far are read again first.
    package mutating func restore(_ data: Data) throws {
        let saved = try SavedRun<TextReply.State>.restore(data, of: original, model: model.fingerprint)
        try reply.restore(saved)
        for id in saved.ids { reader.append(id) }
    }
}
