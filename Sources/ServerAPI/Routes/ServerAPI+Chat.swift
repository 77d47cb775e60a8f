import HTTPMessages
import HTTPTypes
import Pipelines
import Serving
import StrictJSON

extension ServerAPI {
    /// `POST /v1/chat/completions`.
    func chat(_ request: Request) async throws -> Response {
        let fields = try RequestFields(request, .chat, takesForms: false)
        let preferences = try Preferences(request.fields)
        let body = try ChatCompletionRequest(fields, pictures: pictures)
        let submission = Submission(
            kind: .chat,
            model: body.model,
            request: .chat(body.request),
            delivery: body.delivery,
            summary: String(decoding: JSONValue.object(body.summary).bytes, as: UTF8.self)
        )
        let fingerprint = fields.fingerprint(of: request.path)
        // Whoever wants the job itself gets it; a stream has begun before any other wait could end.
        guard body.isStreamed, preferences.waitSeconds != 0 else {
            return try await answer(request, preferences, submission, fingerprint: fingerprint)
        }
        let job = try await submit(submission, preferences, fingerprint: fingerprint)
        // A job with a key runs on without its client.
        let listener = preferences.idempotencyKey == nil ? Listener(jobs, job.id) : nil
        let stream = ChatStream(
            jobs: jobs,
            job: job,
            count: body.request.count,
            includesUsage: body.includesUsage,
            heartbeatSeconds: options.heartbeatSeconds
        )
        return ServerSentEvents.response(fields: [.jobID: job.id.rawValue]) { writer in
            try await stream.write(to: writer)
            withExtendedLifetime(listener) {}
        }
    }
}
