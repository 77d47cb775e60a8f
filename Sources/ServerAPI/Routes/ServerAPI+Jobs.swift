import Foundation
import HTTPMessages
import HTTPTypes
import Images
import Serving
import StrictJSON

/// Looking at jobs and ending them.
extension ServerAPI {
    /// `GET /v1/jobs/{id}`.
    func showJob(_ request: Request, _ id: String) async throws -> Response {
        Response(.ok, json: try await render(JobID(rawValue: id), request))
    }

    /// The job as it stands now, with its result if it has one.
    /// - Throws: `APIError` 404 if there is none, 410 if it has expired.
    func render(_ id: JobID, _ request: Request) async throws -> JSONValue {
        let view = try await view(id)
        guard view.job.status == .completed else { return JobRenderer(request).job(view) }
        // Its time may be over, or it may be deleted, since it was looked at.
        guard let finished = try await jobs.finished(id) else { throw APIError.jobNotFound(id.rawValue) }
        guard finished.job.status == .completed else { throw APIError.expired(id.rawValue) }
        return JobRenderer(request).job(view, finished: finished)
    }

    private func view(_ id: JobID) async throws -> JobView {
        guard let view = try await jobs.view(id) else { throw APIError.jobNotFound(id.rawValue) }
        RequestNotes.current.note(job: id.rawValue, model: view.job.model)
        guard view.job.status != .expired else { throw APIError.expired(id.rawValue) }
        return view
    }

    /// `GET /v1/jobs?status=&limit=&after=`: the newest first, without their results.
    func listJobs(_ request: Request) async throws -> Response {
        let query = try jobQuery(request)
        do {
            let (views, hasMore) = try await jobs.jobs(query)
            let renderer = JobRenderer(request)
            return Response(
                .ok,
                json: [
                    "object": "list", "data": .array(views.map { renderer.job($0) }),
                    "first_id": .optional(views.first?.job.id.rawValue),
                    "last_id": .optional(views.last?.job.id.rawValue), "has_more": .bool(hasMore),
                ]
            )
        } catch JobStoreError.unknownJob {
            throw APIError.invalid("after", "'after' names no job.")
        }
    }

    private func jobQuery(_ request: Request) throws(APIError) -> JobQuery {
        try refuseQuery(of: request, except: ["status", "limit", "after"])
        var query = JobQuery()
        if let text = request.query("status") {
            guard let status = Job.Status(rawValue: text) else {
                let all = Job.Status.allCases.map(\.rawValue).joined(separator: ", ")
                throw .invalid("status", "'status' must be one of \(all).")
            }
            query.status = status
        }
        if let text = request.query("limit") {
            guard let limit = Int(text), 1...100 ~= limit else {
                throw .invalid("limit", "'limit' must be from 1 to 100.")
            }
            query.limit = limit
        }
        query.after = request.query("after").map(JobID.init(rawValue:))
        return query
    }

    /// `POST /v1/jobs/{id}/cancel`: the job, cancelled.
    func cancelJob(_ request: Request, _ id: String) async throws -> Response {
        let id = JobID(rawValue: id)
        _ = try await view(id)
        guard let job = try await jobs.cancel(id) else { throw APIError.jobNotFound(id.rawValue) }
        guard job.status == .cancelled else {
            throw APIError.conflict("job_finished", "The job '\(id)' has \(job.status.rawValue) already.")
        }
        return Response(.ok, json: try await render(id, request))
    }

    /// `DELETE /v1/jobs/{id}`: cancels the job if it has not finished, and removes it with its result.
    func deleteJob(_ request: Request, _ id: String) async throws -> Response {
        guard try await jobs.delete(JobID(rawValue: id)) else { throw APIError.jobNotFound(id) }
        return Response(.ok, json: ["id": .string(id), "object": "job", "deleted": true])
    }

    // MARK: Content

    /// `GET /v1/jobs/{id}/content?index=`: the bytes of one picture.
    func showContent(_ request: Request, _ id: String) async throws -> Response {
        try refuseQuery(of: request, except: ["index"])
        guard let index = Int(request.query("index") ?? "0"), index >= 0 else {
            throw APIError.invalid("index", "'index' must be 0 or more.")
        }
        let job = try await view(JobID(rawValue: id)).job
        guard job.status.isFinished else {
            throw APIError.conflict("job_not_finished", "The job '\(id)' is \(job.status.rawValue).")
        }
        guard let delivery = job.delivery, let picture = try await jobs.picture(of: job.id, at: index) else {
            throw APIError(
                .notFound,
                .invalidRequest,
                code: "content_not_found",
                "The job '\(id)' has no picture \(index).",
                param: "index"
            )
        }
        return content([UInt8](picture), delivery.format, tag: "\"\(id)-\(index)\"", request)
    }

    /// A picture never changes, so its name is its entity tag.
    private func content(_ bytes: [UInt8], _ format: ImageFormat, tag: String, _ request: Request) -> Response {
        var fields: HTTPFields = [
            .eTag: tag, .acceptRanges: "bytes", .cacheControl: "private, max-age=3600, immutable",
            .xContentTypeOptions: "nosniff",
        ]
        if Self.names(request.fields[.ifNoneMatch], tag) { return Response(.notModified, fields: fields) }
        fields[.contentType] = format.mediaType
        let isRanged = request.method == .get && request.fields[.ifRange].map { $0 == tag } ?? true
        switch ByteRange(isRanged ? request.fields[.range] : nil, count: bytes.count) {
        case .whole: return Response(.ok, fields: fields, body: bytes)
        case .part(let range):
            fields[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(bytes.count)"
            return Response(.partialContent, fields: fields, body: Array(bytes[range]))
        case .unsatisfiable:
            return APIError(
                .rangeNotSatisfiable,
                .invalidRequest,
                code: "range_not_satisfiable",
                "The picture has \(bytes.count) bytes.",
                param: "Range",
                fields: [.contentRange: "bytes */\(bytes.count)"]
            ).response
        }
    }

    /// Whether a list of entity tags, or `*`, contains `tag` (weak comparison, RFC 9110, section 8.8.3.2).
    private static func names(_ field: String?, _ tag: String) -> Bool {
        guard let field else { return false }
        return field.split(separator: ",").contains { item in
            let item = item.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
            return String(item) == "*" || String(item) == tag || String(item) == "W/" + tag
        }
    }
}

extension ServerAPI {
    /// - Throws: `APIError` 400 naming the query items that mean nothing here.
    func refuseQuery(of request: Request, except known: [String]) throws(APIError) {
        let unknown = request.target.query.map(\.name).filter { !known.contains($0) }
        guard let first = unknown.first else { return }
        let list = unknown.map { "'\($0)'" }.joined(separator: ", ")
        throw .invalid(first, "Unknown in the query: \(list).", code: "unknown_parameter")
    }
}
