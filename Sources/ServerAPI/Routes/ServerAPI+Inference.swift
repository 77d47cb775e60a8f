import HTTPMessages
import HTTPTypes
import Pipelines
import Serving
import StrictJSON

/// Requests that become jobs.
extension ServerAPI {
    /// `POST /v1/images/generations` and `POST /v1/images/edits`.
    func generate(_ request: Request, _ kind: Job.Kind) async throws -> Response {
        let fields =
            kind == .edit
            ? try RequestFields(request, .edit, takesForms: true)
            : try RequestFields(request, .generation, takesForms: false)
        let preferences = try Preferences(request.fields)
        let body = try PictureRequest(fields, pictures: pictures, isEdit: kind == .edit)
        return try await answer(
            request,
            preferences,
            Submission(
                kind: kind,
                model: body.model,
                request: .generation(body.request),
                delivery: body.delivery,
                summary: String(decoding: JSONValue.object(body.summary).bytes, as: UTF8.self)
            ),
            fingerprint: fields.fingerprint(of: request.path)
        )
    }

    /// `POST /v1/answers`.
    func answer(_ request: Request) async throws -> Response {
        let fields = try RequestFields(request, .answer, takesForms: true)
        let preferences = try Preferences(request.fields)
        let body = try QuestionRequest(fields, pictures: pictures)
        return try await answer(
            request,
            preferences,
            Submission(
                kind: .answer,
                model: body.model,
                request: .answer(body.request),
                summary: String(decoding: JSONValue.object(body.summary).bytes, as: UTF8.self)
            ),
            fingerprint: fields.fingerprint(of: request.path)
        )
    }

    /// Submits a request and waits for its job as long as the client wants to.
    func answer(
        _ request: Request,
        _ preferences: Preferences,
        _ submission: Submission,
        fingerprint: @autoclosure () -> String
    ) async throws -> Response {
        let job = try await submit(submission, preferences, fingerprint: fingerprint())
        if preferences.waitSeconds == 0 { return try await accepted(job.id, request) }

        if let finished = try await jobs.completion(of: job.id, within: preferences.waitSeconds) {
            return try response(to: finished, request)
        }
        if Task.isCancelled {
            // Nobody will ever read the result of a job without a key.
            if preferences.idempotencyKey == nil { jobs.abandon(job.id) }
            throw APIError.hungUp
        }
        guard preferences.waitSeconds != nil, jobs.isAccepting else { throw APIError.stopping }
        try await jobs.makeDurable(job.id)
        return try await accepted(job.id, request)
    }

    /// Submits a request with what its client prefers.
    func submit(
        _ submission: Submission,
        _ preferences: Preferences,
        fingerprint: @autoclosure () -> String
    ) async throws -> Job {
        var submission = submission
        submission.isDurable = preferences.waitSeconds == 0
        submission.cancelAfterSeconds = preferences.cancelAfterSeconds
        submission.idempotency = preferences.idempotencyKey.map {
            IdempotencyKey(key: $0, fingerprint: fingerprint())
        }
        let job = try await jobs.submit(submission)
        RequestNotes.current.note(job: job.id.rawValue, model: job.model)
        return job
    }

    private func response(to finished: FinishedJob, _ request: Request) throws -> Response {
        if let failure = finished.job.failure { throw failure }
        guard finished.job.status == .completed else { throw APIError.expired(finished.job.id.rawValue) }
        return Response(
            .ok,
            json: JobRenderer(request).result(finished),
            fields: [.jobID: finished.job.id.rawValue]
        )
    }

    /// 202: the job itself is the answer for now.
    private func accepted(_ id: JobID, _ request: Request) async throws -> Response {
        Response(
            .accepted,
            json: try await render(id, request),
            fields: [
                .location: JobRenderer.path(of: id), .jobID: id.rawValue, .preferenceApplied: "respond-async",
            ]
        )
    }
}
