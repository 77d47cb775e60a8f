package import HTTPTypes
import Synchronization

/// A response as a handler returns it. Framing (`Content-Length`, `Transfer-Encoding`), `Connection` and `Date` are the
/// encoder's; a handler that sets `Connection: close` has the connection closed after it.
package struct Response: Sendable {
    package var status: HTTPResponse.Status
    package var fields: HTTPFields
    package var body: Body

    package enum Body: Sendable {
        /// All of the body at once, sent with `Content-Length`.
        case bytes([UInt8])
        /// A body written piece by piece while the connection takes it; sent in chunks.
        ///
        /// The closure runs after the head was sent, in the handler's task: a client that hangs up cancels it. If it
        /// throws, the connection is closed without the last chunk, so that the client sees a broken body.
        case stream(@Sendable (BodyWriter) async throws -> Void)

        /// A body of the elements of `sequence`, each sent as it comes.
        package static func stream(_ sequence: some AsyncSequence<[UInt8], any Error> & Sendable) -> Self {
            .stream { writer in
                for try await bytes in sequence { try await writer.write(bytes) }
            }
        }
    }

    package init(_ status: HTTPResponse.Status, fields: HTTPFields = [:], body: [UInt8] = []) {
        self.init(status, fields: fields, body: .bytes(body))
    }

    package init(_ status: HTTPResponse.Status, fields: HTTPFields = [:], body: Body) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    package init(_ status: HTTPResponse.Status, text: String) {
        self.init(status, fields: [.contentType: "text/plain; charset=utf-8"], body: Array(text.utf8))
    }

    /// The whole body, streams run to their end: for tests and callers without a connection.
    package func collectedBody() async throws -> [UInt8] {
        switch body {
        case .bytes(let bytes): return bytes
        case .stream(let produce):
            let collected = Mutex<[UInt8]>([])
            try await produce(BodyWriter { bytes in collected.withLock { $0 += bytes } })
            return collected.withLock(\.self)
        }
    }
}

/// Where a streaming body goes.
package struct BodyWriter: Sendable {
    private let send: @Sendable ([UInt8]) async throws(ClientDisconnected) -> Void

    /// - Parameter send: returns once the bytes left for the client, which is what slows a producer down.
    package init(_ send: @escaping @Sendable ([UInt8]) async throws(ClientDisconnected) -> Void) {
        self.send = send
    }

    /// Sends `bytes`; suspends until the connection has taken them.
    package func write(_ bytes: [UInt8]) async throws(ClientDisconnected) {
        try await send(bytes)
    }
}

/// The client is gone: nothing that is written can reach it any more.
package struct ClientDisconnected: Error, Sendable {
    package init() {}
}
