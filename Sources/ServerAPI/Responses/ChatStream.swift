import Foundation
import HTTPMessages
import Pipelines
import Serving
import StrictJSON

/// A chat's replies as `chat.completion.chunk` events, while they are made.
///
/// It reads what the job has to tell when the client can take it, so a slow reader costs no memory.
struct ChatStream: Sendable {
    let jobs: JobService
    let job: Job
    /// How many replies there will be.
    let count: Int
    let includesUsage: Bool
    /// Seconds after which a comment is sent when there is nothing else.
    let heartbeatSeconds: Double

    /// Writes the stream to its end, or until the calling task is cancelled.
    /// - Throws: `ClientDisconnected`
    func write(to body: BodyWriter) async throws {
        guard let updates = try await jobs.updates(of: job.id, atLeastEvery: heartbeatSeconds) else {
            return try await fail(.jobNotFound(job.id.rawValue), to: body)
        }
        for choice in 0..<count {
            try await send(["role": "assistant", "content": "", "refusal": nil], choice, to: body)
        }
        let clock = ContinuousClock()
        var lastWritten = clock.now
        var told = 0
        for await update in updates {
            switch update {
            case .changed(let view):
                if told < view.news.count {
                    for news in view.news[told...] { try await send(news, to: body) }
                    told = view.news.count
                } else if clock.now - lastWritten >= .seconds(heartbeatSeconds) {
                    try await body.write(ServerSentEvents.heartbeat)
                } else {
                    continue
                }
                lastWritten = clock.now
            case .finished(let finished):
                for news in finished.news?.dropFirst(told) ?? [] { try await send(news, to: body) }
                return try await end(finished, to: body)
            case .interrupted:
                return try await fail(.stopping, to: body)
            }
        }
    }

    private func end(_ finished: FinishedJob, to body: BodyWriter) async throws {
        if let failure = finished.job.failure { return try await fail(APIError(failure), to: body) }
        guard case .replies(let replies, _, let usage) = finished.job.result else {
            return try await fail(.expired(job.id.rawValue), to: body)
        }
        for (choice, reply) in replies.enumerated() {
            // A job that had finished before has told nothing yet.
            if finished.news == nil { try await send(reply, choice, of: finished, to: body) }
            try await send([:], choice, finishReason: reply.finishReason.rawValue, to: body)
        }
        if includesUsage {
            let timings = JobRenderer.timings(finished.job)
            try await body.write(event([], usage: JobRenderer.chatUsage(usage), timings: timings))
        }
        try await body.write(ServerSentEvents.done)
    }

    // MARK: Chunks

    private func send(_ news: ReplyNews, to body: BodyWriter) async throws {
        switch news.content {
        case .text(let text, let scores):
            let scores = scores.isEmpty ? nil : scores
            try await send(["content": .string(text)], news.choice, scores: scores, to: body)
        case .picture(let picture):
            let file = try await jobs.file(of: picture, job.delivery)
            try await send(picture: file, news.choice, to: body)
        }
    }

    /// A whole reply, as the store has it.
    private func send(
        _ reply: ReplyRecord,
        _ choice: Int,
        of finished: FinishedJob,
        to body: BodyWriter
    ) async throws {
        var scores = reply.scores
        for part in reply.parts {
            switch part {
            case .text(let text):
                try await send(["content": .string(text)], choice, scores: scores, to: body)
                scores = nil
            case .picture(let index):
                try await send(picture: finished.file(at: index), choice, to: body)
            }
        }
    }

    private func send(picture file: Data, _ choice: Int, to body: BodyWriter) async throws {
        try await send(["content": [JobRenderer.picturePart(file, job.delivery)]], choice, to: body)
    }

    private func send(
        _ delta: JSONValue,
        _ choice: Int,
        scores: [TokenScore]? = nil,
        finishReason: String? = nil,
        to body: BodyWriter
    ) async throws {
        let choice: JSONValue = [
            "index": .number(choice), "delta": delta, "logprobs": JobRenderer.scores(scores),
            "finish_reason": .optional(finishReason),
        ]
        try await body.write(event([choice]))
    }

    private func event(_ choices: [JSONValue], usage: JSONValue? = nil, timings: JSONValue? = nil) -> [UInt8] {
        var chunk: JSONObject = [
            "id": .string(job.id.rawValue), "object": "chat.completion.chunk", "created": .seconds(job.createdAt),
            "model": .string(job.model), "choices": .array(choices),
        ]
        // OpenAI's streams have the field in all chunks or in none.
        if includesUsage { chunk["usage"] = usage ?? JSONValue.null }
        if let timings { chunk["timings"] = timings }
        return ServerSentEvents.data(.object(chunk))
    }

    /// The status is sent already; OpenAI's clients take an `error` in the stream for what it is.
    private func fail(_ error: APIError, to body: BodyWriter) async throws {
        try await body.write(ServerSentEvents.data(["error": error.json]))
    }
}

/// Cancels a job once nobody holds this any more: its client has its reply, or hung up, even before the first byte.
final class Listener: Sendable {
    private let jobs: JobService
    private let id: JobID

    init(_ jobs: JobService, _ id: JobID) {
        self.jobs = jobs
        self.id = id
    }

    deinit { jobs.abandon(id) }
}
