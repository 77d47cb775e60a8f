package import Foundation

/// Several replies to one conversation, one after the other: a run of its own for each.
package struct Choices: PipelineRun {
    /// A run that writes one reply: its result is `.replies` with one element, its news are of choice 0.
    package typealias MakeReply = @Sendable (ChatRequest, Data?) throws -> any PipelineRun

    private let request: ChatRequest
    private let makeReply: MakeReply
    private var current: any PipelineRun
    private var finished: [Finished] = []
    package private(set) var news: [ReplyNews]

    private struct Finished: Codable {
        var reply: ChatReply
        var usage: TokenUsage
    }

    private struct State: Codable {
        var finished: [Finished]
        var current: Data
    }

    /// - Parameter makeReply: prepares the run of one reply, from the state of such a run where there is one.
    /// - Throws: `PipelineError.invalidRequest`
    package init(_ request: ChatRequest, makeReply: @escaping MakeReply) throws {
        try request.check()
        self.request = request
        self.makeReply = makeReply
        current = try makeReply(Self.reply(0, of: request), nil)
        news = current.news
    }

    /// Continues from a saved state. What it belongs to is checked by the run of the reply within it.
    package init(_ request: ChatRequest, from data: Data, makeReply: @escaping MakeReply) throws {
        let saved: State
        do {
            saved = try PropertyListDecoder().decode(State.self, from: data)
        } catch {
            throw PipelineError.invalidState(reason: "it is damaged: \(error)")
        }
        try request.check()
        guard saved.finished.count < request.count else {
            throw PipelineError.invalidState(reason: "it doesn't fit the request")
        }
        self.request = request
        self.makeReply = makeReply
        finished = saved.finished
        current = try makeReply(Self.reply(finished.count, of: request), saved.current)
        news = finished.enumerated().flatMap { choice, finished in finished.reply.news(choice: choice) }
        news += Self.news(of: current, choice: finished.count)
    }

    /// The request for one reply alone.
    private static func reply(_ choice: Int, of request: ChatRequest) -> ChatRequest {
        var request = request
        request.count = 1
        request.seed &+= UInt64(choice)
        return request
    }

    private static func news(of run: any PipelineRun, choice: Int) -> [ReplyNews] {
        run.news.map { ReplyNews(choice: choice, $0.content) }
    }

    package var progress: RunProgress {
        let own = current.progress
        let (done, all) = (finished.count, request.count)
        return RunProgress(
            stage: done == all ? .finished : own.stage,
            step: done == all ? own.steps * all : own.steps * done + own.step,
            steps: own.steps * all
        )
    }

    package mutating func advance() throws -> RunResult? {
        let result = try current.advance()
        news = Self.news(of: current, choice: finished.count)
        guard case .replies(let replies, let usage) = result, let reply = replies.first else { return nil }
        finished.append(Finished(reply: reply, usage: usage))
        guard finished.count == request.count else {
            current = try makeReply(Self.reply(finished.count, of: request), nil)
            return nil
        }
        // The prompt was the same for all.
        let outputTokens = finished.reduce(0) { $0 + $1.usage.outputTokens }
        return .replies(
            finished.map(\.reply),
            usage: TokenUsage(inputTokens: usage.inputTokens, outputTokens: outputTokens)
        )
    }

    package func archivedState() throws -> Data {
        let encoder = PropertyListEncoder()
        encoder.outputFormat = .binary
        return try encoder.encode(State(finished: finished, current: try current.archivedState()))
    }
}

extension ChatReply {
    /// The whole reply as its news.
    fileprivate func news(choice: Int) -> [ReplyNews] {
        var scores = scores ?? []
        var news = parts.map { part in
            switch part {
            case .text(let text):
                defer { scores = [] }
                return ReplyNews(choice: choice, .text(text, scores: scores))
            case .picture(let picture): return ReplyNews(choice: choice, .picture(picture))
            }
        }
        if !scores.isEmpty { news.append(ReplyNews(choice: choice, .text("", scores: scores))) }
        return news
    }
}
