import HTTPMessages
import HTTPTypes
import StrictJSON

/// Server-sent events as bytes (HTML standard, section 9.2).
enum ServerSentEvents {
    /// An event without a name.
    static func data(_ json: JSONValue) -> [UInt8] { Array("data: ".utf8) + json.bytes + Array("\n\n".utf8) }

    /// A comment: it keeps proxies and clients from giving up.
    static let heartbeat = Array(": still here\n\n".utf8)

    /// How OpenAI's streams end.
    static let done = Array("data: [DONE]\n\n".utf8)

    /// - Parameter body: writes the events.
    static func response(
        fields: HTTPFields,
        _ body: @escaping @Sendable (BodyWriter) async throws -> Void
    ) -> Response {
        var fields = fields
        fields[.contentType] = "text/event-stream"
        fields[.cacheControl] = "no-store"
        // nginx would collect the events otherwise.
        fields[.accelBuffering] = "no"
        return Response(.ok, fields: fields, body: .stream(body))
    }
}

extension HTTPField.Name {
    static let accelBuffering = Self("X-Accel-Buffering")!
}
