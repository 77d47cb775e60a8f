package import HTTPMessages
import HTTPTypes
import Pipelines
import Serving

extension APIError {
    /// What a route threw, as its client shall see it; nil for an error that only the log may know.
    init?(_ error: any Error) {
        switch error {
        case let error as APIError: self = error
        case let error as HTTPStatusError: self.init(error)
        case let error as SubmissionError: self.init(error)
        case let error as ModelError: self.init(error)
        case let error as JobFailure: self.init(error)
        case PipelineError.invalidRequest(let field, let reason):
            self = .invalid(field, "'\(field)': \(reason)")
        case is JobStoreError:
            self = .unavailable("storage_unavailable", "The job store can't be used now.", retryAfterSeconds: 10)
        default: return nil
        }
    }

    /// An error of the protocol, from the router or the transport.
    package init(_ error: HTTPStatusError) {
        let kind: Kind =
            switch error.status.code {
            case 429: .rateLimit
            case 500...: .server
            default: .invalidRequest
            }
        self.init(
            error.status,
            kind,
            code: error.code,
            error.message,
            param: error.param,
            fields: error.fields
        )
    }

    private init(_ error: SubmissionError) {
        switch error {
        case .queueFull(let seconds):
            self.init(
                .tooManyRequests,
                .rateLimit,
                code: "queue_full",
                "As many jobs are waiting as may wait.",
                fields: [.retryAfter: String(seconds)]
            )
        case .stopping: self = .stopping
        case .keyReused(let id):
            self = .conflict(
                "idempotency_key_reused",
                "The Idempotency-Key was used with another request, for the job '\(id)'.",
                param: "Idempotency-Key"
            )
        }
    }

    private init(_ error: ModelError) {
        switch error {
        case .unknown(let name): self = .modelNotFound(name)
        case .unavailable:
            self = .unavailable(
                "model_unavailable",
                error.sentence,
                retryAfterSeconds: Int(ModelRegistry.retrySeconds)
            )
        case .wrongTask: self = .invalid("model", error.sentence, code: "model_lacks_task")
        case .noneFor(_, let reasons):
            // Without a reason there is nothing to wait for: no model of this configuration ever will.
            self =
                reasons.isEmpty
                ? APIError(.notFound, .invalidRequest, code: "model_not_found", error.sentence, param: "model")
                : .unavailable(
                    "model_unavailable",
                    error.sentence,
                    retryAfterSeconds: Int(ModelRegistry.retrySeconds)
                )
        }
    }

    /// Why a job has no result, as the answer to whoever waits for it and as the job's `error`.
    init(_ failure: JobFailure) {
        let code = failure.reason.rawValue
        switch failure.reason {
        case .invalidRequest: self = .invalid(failure.field, failure.message)
        case .modelUnavailable:
            self = .unavailable(code, failure.message, retryAfterSeconds: Int(ModelRegistry.retrySeconds))
        case .runFailed, .storageFailed: self.init(.internalServerError, .server, code: code, failure.message)
        case .cancelled: self = .conflict(code, failure.message)
        case .deadlineExceeded:
            self.init(.requestTimeout, .invalidRequest, code: code, failure.message, param: "Cancel-After")
        case .serverStopped: self = .unavailable(code, failure.message, retryAfterSeconds: 5)
        }
    }
}

extension ModelError {
    /// The description as a sentence.
    fileprivate var sentence: String { description.prefix(1).uppercased() + description.dropFirst() + "." }
}
