import HTTPTypes
import StrictJSON

/// What `GET /openapi.json` returns: the API in OpenAPI 3.1.
enum OpenAPIDocument {
    static let json: JSONValue = [
        "openapi": "3.1.0",
        "info": [
            "title": "Triptych",
            "version": "1",
            "description": "Pictures from prompts and pictures, and answers about pictures, on CPUs.",
        ],
        "paths": paths,
        "components": ["schemas": OpenAPISchemas.all],
    ]

    private static var paths: JSONValue {
        var paths = JSONObject()
        for operation in operations {
            var item: JSONObject = [:]
            if case .object(let existing) = paths[operation.path] { item = existing }
            item[operation.method.rawValue.lowercased()] = operation.json
            paths[operation.path] = .object(item)
        }
        return .object(paths)
    }

    static let operations: [OpenAPIOperation] = [
        OpenAPIOperation(
            .post,
            "/v1/images/generations",
            "Draws pictures from a prompt, from pictures, or from both.",
            bodies: ["application/json": "GenerationRequest"],
            result: "PicturesResponse",
            parameters: OpenAPIParameter.waiting,
            isJob: true
        ),
        OpenAPIOperation(
            .post,
            "/v1/images/edits",
            "Draws pictures from given ones: edits, the same subject elsewhere, reconstruction.",
            bodies: ["application/json": "GenerationRequest", "multipart/form-data": "EditForm"],
            result: "PicturesResponse",
            parameters: OpenAPIParameter.waiting,
            isJob: true
        ),
        OpenAPIOperation(
            .post,
            "/v1/answers",
            "Answers a question, about pictures or about nothing but text.",
            bodies: ["application/json": "AnswerRequest", "multipart/form-data": "AnswerForm"],
            result: "AnswerResponse",
            parameters: OpenAPIParameter.waiting,
            isJob: true
        ),
        OpenAPIOperation(
            .post,
            "/v1/chat/completions",
            "Replies to a conversation of text and pictures, in text and pictures.",
            bodies: ["application/json": "ChatRequest"],
            result: "ChatCompletion",
            events: "ChatChunk",
            parameters: OpenAPIParameter.waiting,
            isJob: true
        ),
        OpenAPIOperation(
            .get,
            "/v1/jobs",
            "Lists jobs, the newest first, without their results.",
            result: "JobList",
            parameters: OpenAPIParameter.paging
        ),
        OpenAPIOperation(
            .get,
            "/v1/jobs/{id}",
            "Shows a job, with its result once it is completed.",
            result: "Job",
            parameters: [.id]
        ),
        OpenAPIOperation(
            .delete,
            "/v1/jobs/{id}",
            "Cancels a job if it has not finished, and removes it with its result.",
            result: "DeletedJob",
            parameters: [.id]
        ),
        OpenAPIOperation(
            .post,
            "/v1/jobs/{id}/cancel",
            "Cancels a job that has not finished.",
            result: "Job",
            parameters: [.id]
        ),
        OpenAPIOperation(
            .get,
            "/v1/jobs/{id}/content",
            "Hands over one picture of a completed job.",
            result: nil,
            parameters: [.id, .index]
        ),
        OpenAPIOperation(.get, "/v1/models", "Lists the configured models.", result: "ModelList"),
        OpenAPIOperation(.get, "/v1/models/{name}", "Shows a model.", result: "Model", parameters: [.name]),
        OpenAPIOperation(.get, "/healthz", "Whether the process lives.", result: "Health"),
        OpenAPIOperation(.get, "/readyz", "Whether requests are accepted.", result: "Health"),
        OpenAPIOperation(.get, "/openapi.json", "This description.", result: "Description"),
    ]
}

/// One method of one path.
struct OpenAPIOperation {
    let method: HTTPRequest.Method
    let path: String
    private let summary: String
    /// Schemas of the body by media type.
    private let bodies: KeyValuePairs<String, String>
    /// The schema of what 200 carries; nil for a picture.
    private let result: String?
    /// The schema of each event, where the answer may be a stream.
    private let events: String?
    private let parameters: [OpenAPIParameter]
    /// Whether the answer may be 202 and the job.
    private let isJob: Bool

    init(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ summary: String,
        bodies: KeyValuePairs<String, String> = [:],
        result: String?,
        events: String? = nil,
        parameters: [OpenAPIParameter] = [],
        isJob: Bool = false
    ) {
        self.method = method
        self.path = path
        self.summary = summary
        self.bodies = bodies
        self.result = result
        self.events = events
        self.parameters = parameters
        self.isJob = isJob
    }

    var json: JSONValue {
        var operation: JSONObject = ["summary": .string(summary)]
        if !parameters.isEmpty { operation["parameters"] = .array(parameters.map(\.json)) }
        if !bodies.isEmpty {
            var content = JSONObject()
            for (type, schema) in bodies { content[type] = ["schema": .reference(schema)] }
            operation["requestBody"] = ["required": true, "content": .object(content)]
        }
        operation["responses"] = .object(responses)
        return .object(operation)
    }

    private var responses: JSONObject {
        var success: JSONObject =
            result.map { ["application/json": ["schema": .reference($0)]] }
            ?? ["image/png": [:], "image/jpeg": [:], "image/webp": [:]]
        if let events { success["text/event-stream"] = ["schema": .reference(events)] }
        var responses: JSONObject = ["200": ["description": "Done.", "content": .object(success)]]
        if isJob {
            responses["202"] = [
                "description": "The job, whose address is in Location.",
                "content": ["application/json": ["schema": .reference("Job")]],
            ]
        }
        responses["default"] = [
            "description": "What went wrong.",
            "content": ["application/json": ["schema": .reference("Error")]],
        ]
        return responses
    }
}

/// A value outside the body.
struct OpenAPIParameter {
    private let name: String
    private let place: String
    private let description: String
    private let schema: JSONValue

    var json: JSONValue {
        [
            "name": .string(name), "in": .string(place), "required": .bool(place == "path"),
            "description": .string(description), "schema": schema,
        ]
    }

    static let id = OpenAPIParameter(name: "id", place: "path", description: "A job.", schema: .text)
    static let name = OpenAPIParameter(name: "name", place: "path", description: "A model.", schema: .text)
    static let index = OpenAPIParameter(
        name: "index",
        place: "query",
        description: "Which picture; 0 is the first.",
        schema: ["type": "integer", "minimum": 0]
    )

    static let paging = [
        OpenAPIParameter(name: "status", place: "query", description: "Only jobs that are so.", schema: .jobStatus),
        OpenAPIParameter(
            name: "limit",
            place: "query",
            description: "How many; 20 if absent.",
            schema: .whole(1...100)
        ),
        OpenAPIParameter(name: "after", place: "query", description: "Jobs older than this one.", schema: .text),
    ]

    static let waiting = [
        OpenAPIParameter(
            name: "Prefer",
            place: "header",
            description: "respond-async: answer with the job; wait=N: do so after N seconds.",
            schema: .text
        ),
        OpenAPIParameter(
            name: "Cancel-After",
            place: "header",
            description: "How long the job may take, such as 90s, 15m or 2h.",
            schema: .text
        ),
        OpenAPIParameter(
            name: "Idempotency-Key",
            place: "header",
            description: "The same key with the same request is answered by the same job.",
            schema: .text
        ),
    ]
}
