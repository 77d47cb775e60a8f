import HTTPTypes

/// Encodes the response of one exchange for HTTP/1 (RFC 9112): values in, bytes out.
package struct ResponseEncoder: Sendable {
    /// How the body of the response is delimited.
    package enum Framing: Sendable, Equatable {
        /// The response ends with its head: HEAD, 204, 304.
        case none
        /// `Content-Length` bytes follow the head.
        case length
        /// Chunks follow the head: ``chunk(_:into:)``, then ``lastChunk``.
        case chunked
        /// The body ends with the connection: a stream to an HTTP/1.0 client.
        case untilClose
    }

    private let exchange: RequestDecoder.Exchange

    package init(_ exchange: RequestDecoder.Exchange) {
        self.exchange = exchange
    }

    /// The last chunk of a chunked body; no trailers are ever sent.
    package static let lastChunk = Array("0\r\n\r\n".utf8)
    /// The interim response that lets a client send its body.
    package static let continueResponse = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    /// Appends the head of `response`.
    ///
    /// - Returns: how to send the body, and whether the connection stays open after it.
    package func appendHead(
        of response: Response,
        date: HTTPDate,
        to output: inout [UInt8]
    ) -> (framing: Framing, keepsAlive: Bool) {
        let framing = self.framing(of: response)
        let keepsAlive =
            exchange.keepsAlive && framing != .untilClose
            && !response.fields.contains(token: "close", in: .connection)
        appendStatusLine(response.status, to: &output)
        for field in response.fields where !Self.owned.contains(field.name) {
            output.append(contentsOf: field.name.rawName.utf8)
            output.append(contentsOf: ": ".utf8)
            field.withUnsafeBytesOfValue { output.append(contentsOf: $0) }
            output.append(contentsOf: "\r\n".utf8)
        }
        output.append(contentsOf: "Date: ".utf8)
        output.append(contentsOf: date.bytes)
        if framing == .chunked {
            output.append(contentsOf: "\r\nTransfer-Encoding: chunked".utf8)
        } else if case .bytes(let body) = response.body, ![204, 304].contains(response.status.code) {
            output.append(contentsOf: "\r\nContent-Length: ".utf8)
            Self.append(body.count, radix: 10, to: &output)
        }
        if !keepsAlive {
            output.append(contentsOf: "\r\nConnection: close".utf8)
        } else if exchange.version == .http10 {
            output.append(contentsOf: "\r\nConnection: keep-alive".utf8)
        }
        output.append(contentsOf: "\r\n\r\n".utf8)
        return (framing, keepsAlive)
    }

    /// Appends `bytes` as one chunk; nothing for no bytes, because an empty chunk would be the last one.
    package static func chunk(_ bytes: [UInt8], into output: inout [UInt8]) {
        guard !bytes.isEmpty else { return }
        append(bytes.count, radix: 16, to: &output)
        output.append(contentsOf: "\r\n".utf8)
        output.append(contentsOf: bytes)
        output.append(contentsOf: "\r\n".utf8)
    }

    /// Fields that follow from the exchange; what a handler says of them does not count.
    private static let owned: [HTTPField.Name] = [.contentLength, .transferEncoding, .connection, .date]

    private func framing(of response: Response) -> Framing {
        if exchange.method == .head || [204, 304].contains(response.status.code) { return .none }
        switch response.body {
        case .bytes: return .length
        case .stream: return exchange.version == .http10 ? .untilClose : .chunked
        }
    }

    private func appendStatusLine(_ status: HTTPResponse.Status, to output: inout [UInt8]) {
        // Interim responses are the transport's; a handler that returns one, or no status at all, has a bug.
        precondition(200...599 ~= status.code, "a handler returned status \(status.code)")
        output.append(contentsOf: "HTTP/1.1 ".utf8)
        Self.append(status.code, radix: 10, to: &output)
        output.append(UInt8(ascii: " "))
        // A reason phrase is visible ASCII here; clients ignore it.
        output.append(contentsOf: status.reasonPhrase.utf8.lazy.filter { 0x20..<0x7F ~= $0 })
        output.append(contentsOf: "\r\n".utf8)
    }

    private static func append(_ number: Int, radix: Int, to output: inout [UInt8]) {
        output.append(contentsOf: String(number, radix: radix).utf8)
    }
}
