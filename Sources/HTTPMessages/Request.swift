package import HTTPTypes

/// A whole request: its head, and its body collected up to ``HTTPLimits/body``.
package struct Request: Sendable, Equatable {
    package var method: HTTPRequest.Method
    package var target: RequestTarget
    package var version: HTTPVersion
    package var fields: HTTPFields
    /// The fields after a chunked body; never merged into ``fields``.
    package var trailers: HTTPFields
    package var body: [UInt8]
    /// The client's numeric IP address; nil over a unix socket and in tests without sockets.
    package var remoteAddress: String?
    /// What `X-Request-Id` of the response says: the client's own id if it sent a sane one, see ``RequestID``.
    package var id: String
    /// Whether the client leaves the connection open for another request.
    package var keepsAlive: Bool

    package init(
        _ method: HTTPRequest.Method,
        target: RequestTarget,
        version: HTTPVersion = .http11,
        fields: HTTPFields = [:],
        trailers: HTTPFields = [:],
        body: [UInt8] = [],
        keepsAlive: Bool = true
    ) {
        self.method = method
        self.target = target
        self.version = version
        self.fields = fields
        self.trailers = trailers
        self.body = body
        self.keepsAlive = keepsAlive
        id = RequestID.accepted(from: fields) ?? ""
    }

    /// A request as a test or an in-process caller writes it.
    package init(
        _ method: HTTPRequest.Method,
        _ target: String,
        fields: HTTPFields = [:],
        body: [UInt8] = []
    ) throws(HTTPStatusError) {
        self.init(method, target: try RequestTarget(target), fields: fields, body: body)
    }

    /// The decoded path, for logs; routes match ``RequestTarget/segments``.
    package var path: String { target.path }

    /// The value of the first query item of that name.
    package func query(_ name: String) -> String? {
        target.query.first { $0.name == name }?.value
    }
}

/// The versions of the protocol that the codecs speak.
package enum HTTPVersion: Sendable, Equatable {
    case http10
    case http11
}

/// The name under which a request appears in logs and in `X-Request-Id`.
package enum RequestID {
    /// The client's `X-Request-Id`, if it is one value of 1 to 128 visible ASCII characters.
    package static func accepted(from fields: HTTPFields) -> String? {
        guard let value = fields[.xRequestID], 1...128 ~= value.utf8.count,
            value.utf8.allSatisfy({ $0.isDigit || $0.isLetter || "-_.:/+=@".utf8.contains($0) })
        else { return nil }
        return value
    }

    /// A new id: 128 random bits in hexadecimal digits.
    package static func random() -> String {
        let digits = StaticString("0123456789abcdef")
        var bits = (UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max))
        return String(unsafeUninitializedCapacity: 32) { text in
            for index in 0..<16 {
                text[index] = digits.utf8Start[Int(bits.0 & 15)]
                text[index + 16] = digits.utf8Start[Int(bits.1 & 15)]
                bits = (bits.0 >> 4, bits.1 >> 4)
            }
            return 32
        }
    }
}

extension HTTPField.Name {
    /// `X-Request-Id`, on every response.
    package static let xRequestID = Self("X-Request-Id")!
    /// `Host`; HTTPTypes keeps it as a request's authority, HTTP/1.1 has it on the wire.
    package static let hostField = Self("Host")!
}
