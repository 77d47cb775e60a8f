package import HTTPMessages
package import HTTPTypes
import StrictJSON

/// An error as clients see it: OpenAI's error object with its status.
package struct APIError: Error, Sendable, Equatable {
    /// What kind of mistake it was: `error.type`.
    package enum Kind: String, Sendable {
        case invalidRequest = "invalid_request_error"
        case rateLimit = "rate_limit_error"
        case server = "server_error"
    }

    package let status: HTTPResponse.Status
    package let kind: Kind
    /// One sentence for people.
    package let message: String
    /// The field, query item or header field at fault.
    package let param: String?
    /// A stable name for programs.
    package let code: String
    /// Fields that the response carries besides, such as `Retry-After`.
    package var fields: HTTPFields = [:]

    package init(
        _ status: HTTPResponse.Status,
        _ kind: Kind,
        code: String,
        _ message: String,
        param: String? = nil,
        fields: HTTPFields = [:]
    ) {
        self.status = status
        self.kind = kind
        self.message = message
        self.param = param
        self.code = code
        self.fields = fields
    }

    /// The `error` object.
    var json: JSONValue {
        [
            "message": .string(message), "type": .string(kind.rawValue), "param": .optional(param),
            "code": .string(code),
        ]
    }

    package var response: Response {
        var response = Response(status, json: ["error": json])
        response.fields.append(contentsOf: fields)
        return response
    }
}

extension APIError {
    // MARK: 400

    static func invalid(_ param: String?, _ message: String, code: String = "invalid_value") -> APIError {
        APIError(.badRequest, .invalidRequest, code: code, message, param: param)
    }

    static func wrongType(_ param: String, expected: String, found: String) -> APIError {
        invalid(param, "'\(param)' must be \(expected), not \(found).", code: "invalid_type")
    }

    static func missing(_ param: String) -> APIError {
        invalid(param, "'\(param)' is required.", code: "missing_required_parameter")
    }

    static func unsupported(_ what: String, param: String? = nil) -> APIError {
        invalid(param, "\(what) is not supported yet.", code: "not_supported_yet")
    }

    // MARK: Others

    static func mediaType(_ message: String) -> APIError {
        APIError(
            .unsupportedMediaType,
            .invalidRequest,
            code: "unsupported_media_type",
            message,
            param: "Content-Type"
        )
    }

    static func jobNotFound(_ id: String) -> APIError {
        APIError(.notFound, .invalidRequest, code: "job_not_found", "There is no job '\(id)'.", param: "id")
    }

    static func modelNotFound(_ name: String) -> APIError {
        APIError(
            .notFound,
            .invalidRequest,
            code: "model_not_found",
            "The model '\(name)' does not exist.",
            param: "model"
        )
    }

    static func expired(_ id: String) -> APIError {
        APIError(.gone, .invalidRequest, code: "job_expired", "The job '\(id)' has expired; its result was removed.")
    }

    static func conflict(_ code: String, _ message: String, param: String? = nil) -> APIError {
        APIError(.conflict, .invalidRequest, code: code, message, param: param)
    }

    static func unavailable(_ code: String, _ message: String, retryAfterSeconds: Int) -> APIError {
        APIError(
            .serviceUnavailable,
            .server,
            code: code,
            message,
            fields: [.retryAfter: String(retryAfterSeconds)]
        )
    }

    /// For the log: the client is gone and will never see it. The status is the one nginx has for this.
    static let hungUp = APIError(
        HTTPResponse.Status(code: 499, reasonPhrase: "Client Closed Request"),
        .invalidRequest,
        code: "client_closed_request",
        "The client hung up."
    )

    static let stopping = unavailable("server_stopping", "The server is stopping.", retryAfterSeconds: 5)
}

extension Response {
    /// A response whose body is JSON.
    init(_ status: HTTPResponse.Status, json: JSONValue, fields: HTTPFields = [:]) {
        var fields = fields
        fields[.contentType] = "application/json"
        self.init(status, fields: fields, body: json.bytes)
    }
}
