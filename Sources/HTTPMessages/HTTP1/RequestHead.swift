import HTTPTypes

/// A request line: method, target and version as they stand on the wire.
struct RequestLine {
    let method: HTTPRequest.Method
    let target: String
    let version: HTTPVersion

    /// - Throws: 400 unless the line is three parts with one space between them; 505 for versions but 1.0 and 1.1.
    init(_ line: Span<UInt8>) throws(HTTPStatusError) {
        guard let first = line.firstIndex(of: UInt8(ascii: " ")),
            let second = line.firstIndex(of: UInt8(ascii: " "), from: first + 1), second > first + 1,
            let method = HTTPRequest.Method(line.text(0..<first))
        else { throw .requestLineInvalid }
        for index in first + 1..<second where line[index] < 0x21 || line[index] > 0x7E { throw .requestLineInvalid }
        self.method = method
        target = line.text(first + 1..<second)
        version = try Self.version(line.text(second + 1..<line.count))
        guard method != .connect else { throw .tunnelsUnsupported }
    }

    private static func version(_ text: String) throws(HTTPStatusError) -> HTTPVersion {
        switch text {
        case "HTTP/1.1": return .http11
        case "HTTP/1.0": return .http10
        default:
            let bytes = Array(text.utf8)
            guard bytes.count == 8, text.hasPrefix("HTTP/"), bytes[5].isDigit, bytes[6] == UInt8(ascii: "."),
                bytes[7].isDigit
            else { throw .requestLineInvalid }
            throw .versionUnsupported
        }
    }
}

/// How a request's body is delimited (RFC 9112, section 6).
enum RequestFraming: Equatable {
    case length(Int)
    case chunked

    /// - Throws: 400 for everything that two readers could frame in two ways, 411 for an HTTP/1.0 request that should
    ///   have a body and does not say how long it is, 501 for codings but `chunked`.
    init(_ line: RequestLine, _ fields: HTTPFields) throws(HTTPStatusError) {
        let lengths = fields[values: .contentLength]
        let codings = fields[values: .transferEncoding]
        if !codings.isEmpty {
            guard line.version != .http10 else { throw .transferEncodingInHTTP10 }
            guard lengths.isEmpty else { throw .framingConflict }
            self = try Self.chunked(codings)
        } else if let length = lengths.first {
            // 18 digits always fit an Int, and no body has as many bytes.
            guard lengths.count == 1, 1...18 ~= length.utf8.count, length.utf8.allSatisfy(\.isDigit),
                let count = Int(length)
            else { throw .contentLengthInvalid }
            self = .length(count)
        } else {
            let needsLength = line.version == .http10 && [.post, .put, .patch].contains(line.method)
            guard !needsLength else { throw .lengthRequired }
            self = .length(0)
        }
    }

    private static func chunked(_ codings: [String]) throws(HTTPStatusError) -> Self {
        if codings.count == 1, codings[0].utf8.equals(ignoringCase: "chunked") { return .chunked }
        let names = codings.flatMap { $0.utf8.split(separator: UInt8(ascii: ",")) }
        let allChunked = names.allSatisfy { $0.filter { !$0.isBlank }.equals(ignoringCase: "chunked") }
        throw allChunked ? .transferEncodingRepeated : .transferEncodingUnknown
    }
}

/// A request's head, validated.
struct RequestHead {
    let line: RequestLine
    let fields: HTTPFields
    let framing: RequestFraming
    let keepsAlive: Bool
    let expectsContinue: Bool
    /// The target, or why the request is refused although it is known where it ends: the connection can go on.
    let target: Result<RequestTarget, HTTPStatusError>

    init(_ line: RequestLine, _ fields: HTTPFields) throws(HTTPStatusError) {
        self.line = line
        self.fields = fields
        framing = try RequestFraming(line, fields)
        keepsAlive =
            !fields.contains(token: "close", in: .connection)
            && (line.version == .http11 || fields.contains(token: "keep-alive", in: .connection))
        // HTTP/1.0 has no expectations (RFC 9110, section 10.1.1).
        let expectations = line.version == .http10 ? [] : fields[values: .expect]
        expectsContinue = expectations.contains { $0.utf8.equals(ignoringCase: "100-continue") }
        target = Result { () throws(HTTPStatusError) in
            try Self.checkHost(line, fields)
            guard expectations.allSatisfy({ $0.utf8.equals(ignoringCase: "100-continue") }) else {
                throw .expectationUnknown
            }
            let target = try RequestTarget(line.target)
            guard line.target != "*" || line.method == .options else { throw .target("Only OPTIONS can ask for *.") }
            return target
        }
        // Whoever disagrees about the host may disagree about the framing too: two of them end the connection.
        guard fields[values: .hostField].count <= 1 else { throw .hostMissing }
    }

    private static func checkHost(_ line: RequestLine, _ fields: HTTPFields) throws(HTTPStatusError) {
        guard let host = fields[values: .hostField].first else {
            if line.version == .http11 { throw .hostMissing }
            return
        }
        guard RequestTarget.isAuthority(host) else { throw .hostInvalid }
    }
}
