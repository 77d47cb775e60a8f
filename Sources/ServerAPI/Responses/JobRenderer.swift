import Foundation
import HTTPMessages
import HTTPTypes
import Pipelines
import Serving
import StrictJSON

/// Writes jobs and their results as clients see them.
struct JobRenderer {
    /// Scheme and authority under which the client reached the server, such as `http://127.0.0.1:8080`; empty if it did
    /// not say.
    private let origin: String

    init(_ request: Request) {
        let host = request.target.authority ?? request.fields[.hostField] ?? ""
        // A proxy in front speaks TLS for us and says so.
        let scheme = request.fields[.forwardedProtocol] == "https" ? "https" : "http"
        origin = host.isEmpty ? "" : "\(scheme)://\(host)"
    }

    static func path(of id: JobID) -> String { "/v1/jobs/\(id)" }

    static func contentPath(of id: JobID, index: Int) -> String { "\(path(of: id))/content?index=\(index)" }

    // MARK: Results

    /// The body of the synchronous answer: what the request asked for.
    /// - Precondition: the job is completed.
    func result(_ finished: FinishedJob) -> JSONValue {
        let job = finished.job
        switch job.result {
        case .answer(let answer, let usage):
            return [
                "id": .string(job.id.rawValue), "model": .string(job.model), "answer": .string(answer.text),
                "usage": Self.usage(usage), "timings": Self.timings(job),
            ]
        case .pictures(let records, let usage):
            let data = records.enumerated().map { index, record in
                picture(record, at: index, of: finished)
            }
            return [
                "created": .seconds(job.createdAt), "model": .string(job.model), "data": .array(data),
                "usage": Self.usage(usage), "timings": Self.timings(job),
            ]
        case .replies(let replies, _, let usage): return completion(replies, usage, of: finished)
        case nil: preconditionFailure("\(job.id) is \(job.status) and has no result")
        }
    }

    private func picture(_ record: PictureRecord, at index: Int, of finished: FinishedJob) -> JSONValue {
        var object = JSONObject()
        if finished.job.delivery?.form == .url {
            object["url"] = .string(origin + Self.contentPath(of: finished.job.id, index: index))
        } else {
            object["b64_json"] = .string(finished.file(at: index).base64EncodedString())
        }
        object["seed"] = .number(record.seed)
        object["width"] = .number(record.width)
        object["height"] = .number(record.height)
        if record.isForced == true { object["forced"] = true }
        return .object(object)
    }

    private static func usage(_ usage: TokenUsage) -> JSONValue {
        [
            "input_tokens": .number(usage.inputTokens), "output_tokens": .number(usage.outputTokens),
            "total_tokens": .number(usage.inputTokens + usage.outputTokens),
        ]
    }

    /// Seconds waited, seconds computed by stage, and seconds from submission to result.
    static func timings(_ job: Job) -> JSONValue {
        var timings: JSONObject = [:]
        if let started = job.startedAt { timings["queued"] = .rounded(started.timeIntervalSince(job.createdAt)) }
        for stage in job.timings.stages { timings[stage.stage.rawValue] = .rounded(stage.seconds) }
        if let completed = job.completedAt {
            timings["total"] = .rounded(completed.timeIntervalSince(job.createdAt))
        }
        return .object(timings)
    }

    // MARK: Jobs

    /// A job as `GET /v1/jobs/{id}` has it.
    /// - Parameter finished: the same job with its pictures, for its `result`; lists leave results out.
    func job(_ view: JobView, finished: FinishedJob? = nil) -> JSONValue {
        let job = view.job
        let isComplete = job.status == .completed
        let path = Self.path(of: job.id)
        return [
            "id": .string(job.id.rawValue),
            "object": "job",
            "kind": .string(job.kind.rawValue),
            "model": .string(job.model),
            "status": .string(job.status.rawValue),
            "progress": isComplete ? 1 : .rounded(job.progress?.fraction ?? 0),
            "step": .number(job.progress?.step ?? 0),
            "steps": .number(job.progress?.steps ?? 0),
            "stage": job.status == .queued ? nil : .optional(job.progress?.stage.rawValue),
            "queue_position": view.queuePosition.map { .number($0) } ?? nil,
            "eta_seconds": view.etaSeconds.map { .rounded($0) } ?? nil,
            "created_at": .seconds(job.createdAt),
            "started_at": job.startedAt.map(JSONValue.seconds) ?? nil,
            "completed_at": job.completedAt.map(JSONValue.seconds) ?? nil,
            "expires_at": job.expiresAt.map(JSONValue.seconds) ?? nil,
            "request": Self.request(job),
            "result": isComplete ? finished.map(result) ?? nil : nil,
            "error": job.failure.map { APIError($0).json } ?? nil,
            "urls": [
                "self": .string(path), "events": .string(path + "/events"), "cancel": .string(path + "/cancel"),
                "content": job.mayHavePictures ? .string(Self.contentPath(of: job.id, index: 0)) : nil,
            ],
        ]
    }

    private static func request(_ job: Job) -> JSONValue {
        guard let summary = job.requestSummary else { return .null }
        return (try? JSONValue(parsing: Array(summary.utf8), rules: .requests)) ?? .null
    }
}

extension FinishedJob {
    /// The bytes of a picture's file; none where the store has lost it.
    func file(at index: Int) -> Data { pictures.indices.contains(index) ? pictures[index] : Data() }
}

extension Job {
    /// Whether there are pictures to be had from the job, now or at its end. What a reply holds is known at its end.
    fileprivate var mayHavePictures: Bool {
        if case .replies(_, let pictures, _) = result { return !pictures.isEmpty }
        return kind == .generation || kind == .edit
    }
}

extension JSONValue {
    /// A time as OpenAI writes it: whole seconds since 1970.
    static func seconds(_ date: Date) -> JSONValue {
        // A time beyond an Int can come only from a configuration that keeps jobs for ever.
        .number(Int(exactly: date.timeIntervalSince1970.rounded(.down)) ?? .max)
    }

    /// A measured number, to microseconds.
    static func rounded(_ value: Double) -> JSONValue {
        .number((value * 1e6).rounded() / 1e6)
    }
}
