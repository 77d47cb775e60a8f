package import HTTPTypes

/// An error of the protocol itself that knows the response it deserves.
///
/// The codec, the router and the transport throw it as a value; how it is worded on the wire (OpenAI's error object)
/// is decided by whoever is given it to render.
package struct HTTPStatusError: Error, Sendable, Equatable {
    /// The status of the response.
    package let status: HTTPResponse.Status
    /// A stable, machine-readable name such as `content_length_invalid`.
    package let code: String
    /// One sentence for people.
    package let message: String
    /// The field, parameter or part at fault, if there is one.
    package let param: String?
    /// Fields that the response carries whoever renders it, such as `Allow`.
    package let fields: HTTPFields

    package init(
        _ status: HTTPResponse.Status,
        code: String,
        message: String,
        param: String? = nil,
        fields: HTTPFields = [:]
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.fields = fields
    }

    /// The error as plain text, for a server without a renderer of its own.
    package var plainResponse: Response {
        Response(status, text: message + "\n")
    }

    /// The response that `render` makes, with the error's own ``fields`` unless it set them itself.
    package func response(renderedBy render: (HTTPStatusError) -> Response) -> Response {
        var response = render(self)
        for field in fields where !response.fields.contains(field.name) { response.fields.append(field) }
        return response
    }
}

// MARK: - What a request can be refused for

extension HTTPStatusError {
    private static func bad(_ code: String, _ message: String, param: String? = nil) -> Self {
        Self(.badRequest, code: code, message: message, param: param)
    }

    static let bareLineFeed = bad("request_malformed", "A line of the request does not end in CR LF.")
    static let requestLineInvalid = bad("request_malformed", "The request line is not METHOD SP TARGET SP VERSION.")
    static let fieldLineInvalid = bad("request_malformed", "A field line is not NAME: VALUE, or not allowed here.")
    static let foldedField = bad("request_malformed", "Folded field lines are not supported.")
    static let incomplete = bad("request_malformed", "The connection ended within a request.")
    static let chunkInvalid = bad("chunk_invalid", "The chunked body is malformed.")

    static func target(_ message: String) -> Self { bad("target_invalid", message) }
    static func multipart(_ message: String, param: String? = nil) -> Self {
        bad("multipart_invalid", message, param: param)
    }

    static let hostMissing = bad("host_invalid", "An HTTP/1.1 request needs exactly one Host.", param: "Host")
    static let hostInvalid = bad("host_invalid", "Host is not a host and an optional port.", param: "Host")

    static let contentLengthInvalid = bad(
        "content_length_invalid",
        "Content-Length is not one plain number.",
        param: "Content-Length"
    )
    static let framingConflict = bad(
        "framing_conflict",
        "A request cannot have both Content-Length and Transfer-Encoding.",
        param: "Transfer-Encoding"
    )
    static let transferEncodingInHTTP10 = bad(
        "framing_conflict",
        "HTTP/1.0 has no Transfer-Encoding.",
        param: "Transfer-Encoding"
    )
    static let transferEncodingRepeated = bad(
        "framing_conflict",
        "Transfer-Encoding names chunked more than once.",
        param: "Transfer-Encoding"
    )
    static let transferEncodingUnknown = Self(
        .notImplemented,
        code: "transfer_encoding_unsupported",
        message: "The only Transfer-Encoding understood is chunked.",
        param: "Transfer-Encoding"
    )

    static let lengthRequired = Self(
        .lengthRequired,
        code: "length_required",
        message: "This request needs a Content-Length.",
        param: "Content-Length"
    )
    static func contentTooLarge(limit: Int) -> Self {
        Self(.contentTooLarge, code: "content_too_large", message: "The body is larger than \(limit) bytes.")
    }
    static func requestLineTooLong(limit: Int) -> Self {
        Self(.uriTooLong, code: "request_line_too_long", message: "The request line is longer than \(limit) bytes.")
    }
    static func fieldsTooLarge(_ limits: HTTPLimits) -> Self {
        Self(
            .requestHeaderFieldsTooLarge,
            code: "header_fields_too_large",
            message: "There are more than \(limits.headerFields) fields or \(limits.headerBytes) bytes of fields."
        )
    }

    static let expectationUnknown = Self(
        .expectationFailed,
        code: "expectation_failed",
        message: "The only expectation understood is 100-continue.",
        param: "Expect"
    )
    static let tunnelsUnsupported = Self(
        .notImplemented,
        code: "method_not_implemented",
        message: "This server opens no tunnels."
    )
    static let versionUnsupported = Self(
        .httpVersionNotSupported,
        code: "version_unsupported",
        message: "This server speaks HTTP/1.1 and HTTP/1.0."
    )
    static let mediaTypeNotMultipart = Self(
        .unsupportedMediaType,
        code: "media_type_unsupported",
        message: "The body is not multipart/form-data.",
        param: "Content-Type"
    )

    static let notFound = Self(.notFound, code: "not_found", message: "There is nothing at this path.")
    static func methodNotAllowed(_ method: HTTPRequest.Method, allow: String) -> Self {
        Self(
            .methodNotAllowed,
            code: "method_not_allowed",
            message: "\(method) is not allowed here; \(allow) is.",
            fields: [.allow: allow]
        )
    }

    /// A request did not arrive in time.
    package static let requestTimeout = Self(
        .requestTimeout,
        code: "request_timeout",
        message: "The request did not arrive in time."
    )
    /// The server has as many connections as it may have.
    package static let tooManyConnections = Self(
        .serviceUnavailable,
        code: "too_many_connections",
        message: "The server has too many connections.",
        fields: [.retryAfter: "1"]
    )
}
