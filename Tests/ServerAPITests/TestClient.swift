import Foundation
import HTTPMessages
import HTTPTypes
import Images
import Logging
import ServerAPI
import Serving
import ServingFakes
import StrictJSON
import Testing

/// Sends requests to the routes of a server with fake models, without a socket.
struct TestClient {
    let server: FakeServer
    let api: ServerAPI

    struct Reply {
        let status: Int
        let fields: HTTPFields
        let body: [UInt8]

        var json: JSONValue { (try? JSONValue(parsing: body, rules: .requests)) ?? .null }
        var error: JSONValue { json["error"] ?? .null }
        var code: String? { error["code"]?.stringValue }
        var param: String? { error["param"]?.stringValue }
    }

    /// Starts a server.
    init(
        models: KeyValuePairs<String, FakePipeline> = ["fake": FakePipeline()],
        options: JobService.Options = .init(),
        limits: StepSchedule.Limits = .init(),
        maxPixels: Int = 10_000,
        heartbeatSeconds: Double = 60,
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    ) async throws {
        server = try FakeServer(models: models, options: options, limits: limits)
        var apiOptions = ServerAPI.Options()
        apiOptions.maxPixels = maxPixels
        apiOptions.heartbeatSeconds = heartbeatSeconds
        api = ServerAPI(jobs: server.jobs, options: apiOptions, logger: logger)
        try await server.jobs.start()
    }

    func send(
        _ method: HTTPRequest.Method,
        _ path: String,
        fields: HTTPFields = [:],
        body: [UInt8] = []
    ) async throws -> Reply {
        let response = await api.respond(to: try Request(method, path, fields: fields, body: body))
        return Reply(
            status: response.status.code,
            fields: response.fields,
            body: try await response.collectedBody()
        )
    }

    func get(_ path: String, fields: HTTPFields = [:]) async throws -> Reply {
        try await send(.get, path, fields: fields)
    }

    func post(_ path: String, _ json: String, fields: HTTPFields = [:]) async throws -> Reply {
        var fields = fields
        fields[.contentType] = "application/json"
        return try await send(.post, path, fields: fields, body: Array(json.utf8))
    }

    /// Sends a form: texts, and files that are pictures.
    func postForm(_ path: String, texts: KeyValuePairs<String, String> = [:], files: KeyValuePairs<String, Data> = [:])
        async throws -> Reply
    {
        var body: [UInt8] = []
        for (name, text) in texts {
            body += "--XX\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(text)\r\n".utf8
        }
        for (name, file) in files {
            body += "--XX\r\nContent-Disposition: form-data; name=\"\(name)\"; filename=\"x.png\"\r\n\r\n".utf8
            body += file
            body += "\r\n".utf8
        }
        body += "--XX--\r\n".utf8
        return try await send(
            .post,
            path,
            fields: [.contentType: "multipart/form-data; boundary=XX"],
            body: body
        )
    }

    /// Reads a job until it has finished.
    func finishedJob(_ id: String) async throws -> JSONValue {
        _ = try await server.jobs.completion(of: JobID(rawValue: id))
        return try await get("/v1/jobs/\(id)").json
    }

    static func png(width: Int = 4, height: Int = 2) throws -> Data {
        try PixelImage(width: width, height: height, color: .white).encoded(as: .png)
    }

    static func dataURI(_ data: Data) -> String { "data:image/png;base64,\(data.base64EncodedString())" }
}

extension HTTPField.Name {
    static let prefer = Self("Prefer")!
    static let cancelAfter = Self("Cancel-After")!
    static let idempotencyKey = Self("Idempotency-Key")!
    static let jobID = Self("X-Job-Id")!
}
