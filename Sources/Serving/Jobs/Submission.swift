import Foundation
package import Pipelines

/// A request as it is handed to the job service.
package struct Submission: Sendable {
    package var kind: Job.Kind
    /// Nil takes the first configured model that has the task and reads the request's pictures.
    package var model: String?
    package var request: RunRequest
    package var delivery: PictureDelivery?
    /// What the job shows as its request (a JSON text).
    package var summary: String
    /// Whether the job outlives its connection and a restart.
    package var isDurable: Bool
    package var idempotency: IdempotencyKey?
    /// The job is cancelled when it has not finished so many seconds after its submission.
    package var cancelAfterSeconds: Double?

    package init(
        kind: Job.Kind,
        model: String?,
        request: RunRequest,
        delivery: PictureDelivery? = nil,
        summary: String = "{}",
        isDurable: Bool = false,
        idempotency: IdempotencyKey? = nil,
        cancelAfterSeconds: Double? = nil
    ) {
        self.kind = kind
        self.model = model
        self.request = request
        self.delivery = delivery
        self.summary = summary
        self.isDurable = isDurable
        self.idempotency = idempotency
        self.cancelAfterSeconds = cancelAfterSeconds
    }

    var task: ModelDescription.Task {
        switch kind {
        case .answer, .chat: .answer
        case .edit: .edit
        case .generation:
            if case .generation(let request) = request, !request.images.isEmpty { .edit } else { .generate }
        }
    }

    /// The job that this becomes.
    func job(model: String, at now: Date) -> Job {
        Job(
            id: .random(),
            kind: kind,
            model: model,
            createdAt: now,
            deadline: cancelAfterSeconds.map(now.addingTimeInterval),
            isDurable: isDurable || idempotency != nil,
            idempotency: idempotency,
            delivery: delivery,
            requestSummary: summary
        )
    }
}

/// Why a submission is refused although nothing is wrong with the request.
package enum SubmissionError: Error, Equatable {
    /// As many jobs wait as may wait.
    case queueFull(retryAfterSeconds: Int)
    /// The server is about to stop.
    case stopping
    /// The idempotency key stands for another request.
    case keyReused(JobID)
}
