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
    private(set) var reader: FusionReader
    /// Clean latents of the given pictures, as far as they are encoded.
    private(set) var sources: [Latents] = []
    private var reply: TextReply

    /// What is saved between two steps, in one container.
    private struct State: Codable {
        var sources: [Latents]
        var reply: TextReply.State

        private enum CodingKeys: String, CodingKey { case sources }

        init(sources: [Latents], reply: TextReply.State) {
            self.sources = sources
            self.reply = reply
        }

        init(from decoder: any Decoder) throws {
            sources = try decoder.container(keyedBy: CodingKeys.self).decode([Latents].self, forKey: .sources)
            reply = try TextReply.State(from: decoder)
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(sources, forKey: .sources)
            try reply.encode(to: encoder)
        }
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
        reader = FusionReader(prompt, model)
        reply = TextReply(
            TextReply.Writer(
                tokenizer: model.tokenizer,
                endTokens: Set(model.config.eosTokenIDs),
                vocabularySize: model.config.text.vocabularySize,
                contextLength: model.config.text.contextLength
            ),
            original,
            request,
            inputTokens: model.length(of: prompt)
        )
    }

    // MARK: Steps

    package var news: [ReplyNews] { reply.news }

    package var progress: RunProgress {
        // The first token comes out of the last pass of the prompt.
        let steps = images.count + promptPasses + request.maxTokens - 1
        let step = stage == .finished ? steps : min(steps, sources.count + reader.readCount)
        return RunProgress(stage: stage, step: step, steps: steps)
    }

    private var stage: RunProgress.Stage {
        if reply.isFinished { return .finished }
        if sources.count < images.count { return .encodeImage }
        return reader.readCount < promptPasses ? .prefill : .decodeToken
    }

    package mutating func advance() throws -> RunResult? {
        reply.forgetNews()
        switch stage {
        case .encodeImage: sources.append(model.painter.encode(images[sources.count]))
        case .prefill, .decodeToken: readPass()
        case .denoise, .decodeLatents, .finished: break
        }
        return reply.result
    }

    private mutating func readPass() {
        let hidden = reader.readPass(model, pictures: sources)
        guard reader.isFinished, let hidden else { return }
        if let id = reply.write(model.network.text.logits(hidden.lastRow).array) { reader.append([.tokens([id])]) }
    }

    // MARK: Continuation

    package func archivedState() throws -> Data {
        let state = State(sources: sources, reply: reply.state)
        return try SavedRun.archive(state, of: original, model: model.fingerprint)
    }

    /// Continues from a saved state: the prompt and the tokens so far are read again first.
    package mutating func restore(_ data: Data) throws {
        let saved = try SavedRun<State>.restore(data, of: original, model: model.fingerprint)
        guard saved.sources.count <= images.count,
            saved.sources.allSatisfy({ $0.values.count == model.painter.latentCount })
        else {
            throw PipelineError.invalidState(reason: "it doesn't fit the request")
        }
        try reply.restore(saved.reply)
        sources = saved.sources
        reader.append(saved.reply.ids.map { .tokens([$0]) })
    }
}
