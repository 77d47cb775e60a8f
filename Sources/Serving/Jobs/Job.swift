package import Foundation
import Images
package import Pipelines

/// Names a job, in URLs too: `job_` and 32 random hexadecimal digits.
package struct JobID: RawRepresentable, Codable, Sendable, Hashable, CustomStringConvertible {
    package let rawValue: String

    package init(rawValue: String) {
        self.rawValue = rawValue
    }

    /// A name that nobody can guess: a random UUID without its dashes.
    package static func random() -> JobID {
        JobID(rawValue: "job_" + UUID().uuidString.lowercased().filter { $0 != "-" })
    }

    package init(from decoder: any Decoder) throws {
        rawValue = try decoder.singleValueContainer().decode(String.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }

    package var description: String { rawValue }
}

/// A request on its way to a result, as everybody may see it at one moment.
package struct Job: Codable, Sendable, Equatable, Identifiable {
    package enum Kind: String, Codable, Sendable, CaseIterable {
        case generation, edit, answer, chat
    }

    package enum Status: String, Codable, Sendable, CaseIterable {
        case queued
        case inProgress = "in_progress"
        case completed, failed, cancelled
        /// Finished, but its result has been removed.
        case expired

        /// Whether nothing more will happen to the job but expiry.
        package var isFinished: Bool { self != .queued && self != .inProgress }
    }

    package let id: JobID
    package let kind: Kind
    package let model: String
    package var status: Status
    /// Nil until the run is prepared.
    package var progress: RunProgress?
    package var timings: RunTimings
    package let createdAt: Date
    package var startedAt: Date?
    package var completedAt: Date?
    /// When a finished job's result will be, or was, removed.
    package var expiresAt: Date?
    /// When an unfinished job is cancelled.
    package let deadline: Date?
    /// Whether the job outlives its connection and a restart of the server.
    package var isDurable: Bool
    /// The client's key under which the same request finds this job again.
    package let idempotency: IdempotencyKey?
    /// How pictures are written and handed over; nil for answers.
    package let delivery: PictureDelivery?
    /// The request as the job shows it, in the words of whoever accepted it (a JSON text); nil once expired.
    package var requestSummary: String?
    package var result: JobResult?
    package var failure: JobFailure?

    package init(
        id: JobID,
        kind: Kind,
        model: String,
        createdAt: Date,
        deadline: Date?,
        isDurable: Bool,
        idempotency: IdempotencyKey?,
        delivery: PictureDelivery?,
        requestSummary: String?
    ) {
        self.id = id
        self.kind = kind
        self.model = model
        self.status = .queued
        self.timings = RunTimings()
        self.createdAt = createdAt
        self.deadline = deadline
        self.isDurable = isDurable
        self.idempotency = idempotency
        self.delivery = delivery
        self.requestSummary = requestSummary
    }
}

/// A client's `Idempotency-Key` together with what it stood for.
package struct IdempotencyKey: Codable, Sendable, Equatable {
    package let key: String
    /// Digest of the request; the same key with another digest is a conflict.
    package let fingerprint: String

    package init(key: String, fingerprint: String) {
        self.key = key
        self.fingerprint = fingerprint
    }
}

/// What a finished job hands over; the bytes of pictures lie in the store.
package enum JobResult: Codable, Sendable, Equatable {
    case pictures([PictureRecord], usage: TokenUsage)
    case answer(AnswerRecord, usage: TokenUsage)
    /// - Parameter pictures: those of all replies, in the order in which the store has them
    case replies([ReplyRecord], pictures: [PictureRecord], usage: TokenUsage)
}

/// One stored picture.
package struct PictureRecord: Codable, Sendable, Equatable {
    package let seed: UInt64
    package let width: Int
    package let height: Int
    /// Whether a model that replies in text and pictures drew it only because it was made to; nil is no.
    package let isForced: Bool?

    package init(seed: UInt64, width: Int, height: Int, isForced: Bool? = nil) {
        self.seed = seed
        self.width = width
        self.height = height
        self.isForced = isForced
    }

    package init(_ picture: GeneratedPicture) {
        self.init(
            seed: picture.seed,
            width: picture.image.width,
            height: picture.image.height,
            isForced: picture.isForced ? true : nil
        )
    }
}

/// One stored reply.
package struct AnswerRecord: Codable, Sendable, Equatable {
    package let text: String
    package let tokenIDs: [Int]
    package let finishReason: GeneratedAnswer.FinishReason

    package init(text: String, tokenIDs: [Int], finishReason: GeneratedAnswer.FinishReason) {
        self.text = text
        self.tokenIDs = tokenIDs
        self.finishReason = finishReason
    }
}

/// One stored reply of text and pictures.
package struct ReplyRecord: Codable, Sendable, Equatable {
    package enum Part: Codable, Sendable, Equatable {
        case text(String)
        /// The picture that the store has at this place.
        case picture(index: Int)
    }

    package let parts: [Part]
    package let tokenIDs: [Int]
    package let finishReason: GeneratedAnswer.FinishReason
    package let scores: [TokenScore]?

    package init(
        parts: [Part],
        tokenIDs: [Int],
        finishReason: GeneratedAnswer.FinishReason,
        scores: [TokenScore]?
    ) {
        self.parts = parts
        self.tokenIDs = tokenIDs
        self.finishReason = finishReason
        self.scores = scores
    }
}

/// Why a job has no result.
package struct JobFailure: Codable, Sendable, Equatable, Error {
    package enum Reason: String, Codable, Sendable {
        /// The model refused the request after it had been accepted.
        case invalidRequest = "invalid_request"
        case modelUnavailable = "model_unavailable"
        /// A step threw.
        case runFailed = "run_failed"
        /// The result could not be written to the store.
        case storageFailed = "storage_failed"
        case cancelled = "job_cancelled"
        case deadlineExceeded = "deadline_exceeded"
        /// The server stopped, and nobody could have asked for the result again.
        case serverStopped = "server_stopped"
    }

    package let reason: Reason
    package let message: String
    /// The request's field at fault, if one is.
    package let field: String?

    package init(_ reason: Reason, _ message: String, field: String? = nil) {
        self.reason = reason
        self.message = message
        self.field = field
    }
}

/// Where the time of a job went, in seconds.
package struct RunTimings: Codable, Sendable, Equatable {
    package struct Stage: Codable, Sendable, Equatable {
        package let stage: RunProgress.Stage
        package var steps: Int
        package var seconds: Double
    }

    /// Computing, by stage, in the order in which the stages were first seen.
    package private(set) var stages: [Stage] = []

    package init() {}

    /// Seconds in which steps of this job were computed.
    package var computeSeconds: Double { stages.reduce(0) { $0 + $1.seconds } }

    /// Adds one finished step.
    package mutating func add(_ stage: RunProgress.Stage, seconds: Double) {
        if let index = stages.firstIndex(where: { $0.stage == stage }) {
            stages[index].steps += 1
            stages[index].seconds += seconds
        } else {
            stages.append(Stage(stage: stage, steps: 1, seconds: seconds))
        }
    }
}
