package import Foundation

/// A run that continues from what its `archivedState()` wrote.
package protocol RestorableRun: PipelineRun {
    /// - Throws: `PipelineError.invalidState`
    mutating func restore(_ state: Data) throws
}

/// A pipeline that draws, answers and converses. A family prepares its three kinds of run; starting and continuing them
/// is the same for all.
package protocol FamilyPipeline: Pipeline {
    associatedtype Drawing: RestorableRun
    associatedtype Replying: RestorableRun

    /// - Throws: `PipelineError.invalidRequest`, here and below
    func drawing(_ request: GenerationRequest) throws -> Drawing
    /// One reply, whatever `request.count`.
    /// - Parameters:
    ///   - original: what was asked for: a conversation, or a question as a conversation of one turn
    ///   - request: the same as a conversation, checked for what no model can do
    func replying(to original: RunRequest, _ request: ChatRequest, _ fields: RequestFields) throws -> Replying
}

extension FamilyPipeline {
    /// A question is a conversation of one turn.
    package func answering(_ request: AnswerRequest) throws -> Replying {
        try request.check()
        let conversation = ChatRequest(request)
        try conversation.check()
        return try replying(to: .answer(request), conversation, .ofAnswer)
    }

    package func replying(_ request: ChatRequest) throws -> Replying {
        try request.check()
        return try replying(to: .chat(request), request, .ofChat)
    }
}

extension FamilyPipeline {
    package func run(for request: RunRequest) throws -> any PipelineRun {
        switch request {
        case .generation(let request): try drawing(request)
        case .answer(let request): try answering(request)
        case .chat(let request): try Choices(request, makeReply: reply)
        }
    }

    package func resume(_ request: RunRequest, from state: Data) throws -> any PipelineRun {
        switch request {
        case .generation(let request): try drawing(request).restored(from: state)
        case .answer(let request): try answering(request).restored(from: state)
        case .chat(let request): try Choices(request, from: state, makeReply: reply)
        }
    }

    @Sendable
    private func reply(_ request: ChatRequest, from state: Data?) throws -> any PipelineRun {
        let run = try replying(request)
        return try state.map(run.restored) ?? run
    }
}

extension RestorableRun {
    fileprivate func restored(from state: Data) throws -> Self {
        var run = self
        try run.restore(state)
        return run
    }
}
