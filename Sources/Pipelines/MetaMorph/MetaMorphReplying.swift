package import Foundation
import Images
import Networks

/// Pictures and text → text and pictures: the language model writes, and every picture it finishes is rendered before it
/// writes on, so that a reader has all parts of the reply in their order.
///
/// An answer to a question is its text alone: visual tokens take part in it, but nothing is rendered.
package struct MetaMorphReplying: RestorableRun {
    private let model: MetaMorphModel
    /// What was asked for: a conversation, or a question as a conversation of one turn.
    private let original: RunRequest
    private let request: ChatRequest
    private let plan: Visualizer.Plan
    private(set) var decoding: VisualDecoding
    private(set) var rendering: LatentRendering?
    private var reply: ReplyInProgress
    /// Of every finished picture of the reply, one at each guidance scale.
    private var pictures: [[GeneratedPicture]] = []
    package private(set) var news: [ReplyNews] = []

    /// What is saved between two steps.
    private struct State: Codable {
        var decoding: VisualDecoding.State
        var rendering: LatentRendering.State?
        var pictures: [[GeneratedPicture]]
    }

    /// - Parameters:
    ///   - original: `.answer`, or `.chat` of one reply: it decides what the result looks like
    ///   - request: the same as a conversation
    init(
        _ model: MetaMorphModel,
        _ original: RunRequest,
        _ request: ChatRequest,
        _ decoding: VisualDecoding,
        _ plan: Visualizer.Plan
    ) {
        self.model = model
        self.original = original
        self.request = request
        self.decoding = decoding
        self.plan = plan
        reply = ReplyInProgress(model.tokenizer, stop: request.stop)
    }

    // MARK: Steps

    private var rendersPictures: Bool { if case .chat = original { true } else { false } }

    package var progress: RunProgress {
        let started = pictures.count + (rendering == nil ? 0 : 1)
        let step = decoding.step + pictures.count * plan.stepCount + (rendering?.step ?? 0)
        return RunProgress(
            stage: rendering?.stage ?? (decoding.isFinished && !isComplete ? .decodeToken : decoding.stage),
            step: step,
            steps: decoding.steps + started * plan.stepCount
        )
    }

    /// Whether everything that was written has been told.
    private var isComplete: Bool { decoding.isFinished && rendering == nil && reply.isFinished }

    package mutating func advance() throws -> RunResult? {
        news = []
        if rendering != nil {
            try rendering?.advance()
        } else if !decoding.isFinished {
            decoding.advance()
        }
        tell()
        return isComplete ? result : nil
    }

    /// Goes on with the reply as far as it is written and rendered.
    private mutating func tell() {
        if let finished = rendering.flatMap(plan.pictures) {
            pictures.append(finished)
            rendering = nil
        }
        while rendering == nil, let next = reply.next(in: decoding.transcript, of: model.config.visualTokens) {
            switch next {
            case .id(let id, let score): tell(reply.append(id, score))
            case .picture where !rendersPictures: reply.skipPicture()
            case .picture(let tokens):
                tell(reply.endText())
                guard !reply.isStopped else { break }
                guard reply.pictureCount < pictures.count else {
                    rendering = plan.rendering(of: tokens)
                    break
                }
                let rendered = pictures[reply.pictureCount]
                reply.append(rendered)
                news += rendered.map { ReplyNews(.picture($0)) }
            }
        }
        if reply.isStopped, !decoding.isFinished { decoding.finish(.stop) }
        guard decoding.isFinished, rendering == nil, !reply.isFinished else { return }
        tell(reply.finish())
    }

    private mutating func tell(_ delta: String) {
        guard let scores = reply.takeScores(with: delta) else { return }
        news.append(ReplyNews(.text(delta, scores: scores)))
    }

    private var result: RunResult {
        let transcript = decoding.transcript
        // What the limit let go may still have held a stop string.
        let reason = reply.isStopped ? .stop : transcript.finishReason ?? .stop
        if case .answer = original {
            let answer = GeneratedAnswer(text: reply.text, tokenIDs: transcript.ids, finishReason: reason)
            return .answer(answer, usage: decoding.usage)
        }
        let whole = ChatReply(
            parts: reply.parts,
            tokenIDs: transcript.ids,
            finishReason: reason,
            scores: request.topLogProbabilities == nil ? nil : transcript.scores
        )
        return .replies([whole], usage: decoding.usage)
    }

    // MARK: Continuation

    package func archivedState() throws -> Data {
        let state = State(decoding: decoding.state, rendering: rendering?.state, pictures: pictures)
        return try SavedRun.archive(state, of: original, model: model.fingerprint)
    }

    /// Continues from a saved state: what was told before is told again.
    package mutating func restore(_ data: Data) throws {
        let saved = try SavedRun<State>.restore(data, of: original, model: model.fingerprint)
        try decoding.restore(saved.decoding)
        guard saved.pictures.count <= decoding.transcript.pictures.count,
            saved.pictures.allSatisfy({ plan.isFulfilled(by: $0) })
        else {
            throw PipelineError.invalidState(reason: "it doesn't fit the request")
        }
        pictures = saved.pictures
        tell()
        guard let rendering = saved.rendering else { return }
        guard self.rendering != nil else {
            throw PipelineError.invalidState(reason: "it renders a picture that nobody wrote")
        }
        try self.rendering?.restore(rendering)
    }
}
