package import HTTPTypes

/// Decodes the requests of one HTTP/1 connection (RFC 9112): bytes in, events out.
///
/// The bytes of pipelined requests stay inside until they are asked for. No buffer outgrows ``HTTPLimits``: what is
/// kept is at most the last `append`, the fields and the body of one request.
package struct RequestDecoder: Sendable {
    package enum Event: Sendable, Equatable {
        /// The client waits for `100 Continue` before it sends the body. Not emitted if the body is already arriving.
        case expectsContinue
        /// A whole request.
        case request(Request)
        /// A request that is answered with an error. If the exchange does not keep the connection alive, the framing is
        /// lost or not worth following, and the decoder ignores all further input.
        case failure(HTTPStatusError, Exchange)
    }

    /// What the rest of an exchange needs to know of its request.
    package struct Exchange: Sendable, Equatable {
        package var method: HTTPRequest.Method
        package var version: HTTPVersion
        package var keepsAlive: Bool
        /// The id that the client gave, if any.
        package var id: String?

        package init(method: HTTPRequest.Method, version: HTTPVersion, keepsAlive: Bool, id: String? = nil) {
            self.method = method
            self.version = version
            self.keepsAlive = keepsAlive
            self.id = id
        }
    }

    /// Where in a request the decoder is, which decides how long to wait for the client.
    package enum Phase: Sendable {
        /// Nothing of a next request has arrived.
        case idle
        case head
        case body
        /// After a failure that ended the connection.
        case failed
    }

    private enum State {
        case requestLine(emptyLines: Int)
        case fields(RequestLine)
        case body(RequestHead, BodyDecoder)
        case failed
    }

    private let limits: HTTPLimits
    private var input = InputBuffer()
    private var state = State.requestLine(emptyLines: 0)
    private var fields = FieldSection()
    /// The current request, as far as it is known: what a failure is answered to.
    private var exchange = Exchange(method: .get, version: .http11, keepsAlive: false)

    package init(limits: HTTPLimits) {
        self.limits = limits
    }

    package var phase: Phase {
        switch state {
        case .requestLine: input.count == 0 ? .idle : .head
        case .fields: .head
        case .body: .body
        case .failed: .failed
        }
    }

    /// Bytes held: undecoded input, and what is collected of the current request.
    package var retainedBytes: Int {
        guard case .body(_, let body) = state else { return input.count + fields.byteCount }
        return input.count + fields.byteCount + body.collected.count
    }

    /// Takes bytes as they come from the connection; ``next()`` makes events of them.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if case .failed = state { return }
        input.append(bytes)
    }

    package mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    /// The next event, or nil until more bytes are appended.
    package mutating func next() -> Event? {
        do throws(HTTPStatusError) {
            while true {
                switch state {
                case .requestLine(let emptyLines):
                    guard let line = try takeRequestLine(emptyLines) else { return nil }
                    state = line
                case .fields(let line):
                    guard try fields.read(from: &input, limits: limits) else { return nil }
                    if let event = try beginBody(RequestHead(line, fields.fields)) { return event }
                case .body(let head, var body):
                    // The collected bytes must have one owner, or every append would copy them.
                    state = .failed
                    let isComplete = try body.read(from: &input, trailers: &fields, limits: limits)
                    guard isComplete else {
                        state = .body(head, body)
                        return nil
                    }
                    return finish(head, body.collected)
                case .failed:
                    return nil
                }
            }
        } catch {
            return fail(error)
        }
    }

    /// To be called at the end of input: the failure of a request that was cut short, or nil between requests.
    package mutating func finish() -> Event? {
        phase == .idle || phase == .failed ? nil : fail(.incomplete)
    }

    /// The failure for a client that took too long, or nil between requests.
    package mutating func timeOut() -> Event? {
        phase == .idle || phase == .failed ? nil : fail(.requestTimeout)
    }

    private mutating func takeRequestLine(_ emptyLines: Int) throws(HTTPStatusError) -> State? {
        let overflow = HTTPStatusError.requestLineTooLong(limit: limits.requestLine)
        guard let line = try input.takeLine(limit: limits.requestLine, overflow: overflow) else { return nil }
        if line.isEmpty {
            // One empty line before a request is forgiven (RFC 9112, section 2.2).
            guard emptyLines == 0 else { throw .requestLineInvalid }
            return .requestLine(emptyLines: 1)
        }
        let requestLine = try RequestLine(input.bytes.span.extracting(line))
        exchange = Exchange(method: requestLine.method, version: requestLine.version, keepsAlive: false)
        return .fields(requestLine)
    }

    private mutating func beginBody(_ head: RequestHead) throws(HTTPStatusError) -> Event? {
        exchange.id = RequestID.accepted(from: head.fields)
        var collects = true
        var waits = false
        switch head.framing {
        case .length(0): break
        case .length(let length) where length > limits.body: throw .contentTooLarge(limit: limits.body)
        case .length, .chunked:
            waits = head.expectsContinue && input.count == 0
            if case .failure(let error) = head.target {
                // Whether the client sends the body after a refusal is not known, so the framing is lost.
                guard head.fields[values: .expect].isEmpty else { throw error }
                collects = false
            }
        }
        state = .body(head, BodyDecoder(head.framing, collects: collects))
        return waits ? .expectsContinue : nil
    }

    private mutating func finish(_ head: RequestHead, _ body: [UInt8]) -> Event {
        let request = head.target.map { target in
            Request(
                head.line.method,
                target: target,
                version: head.line.version,
                fields: head.fields,
                trailers: head.framing == .chunked ? fields.fields : [:],
                body: body,
                keepsAlive: head.keepsAlive
            )
        }
        switch request {
        case .success(let request):
            reset(to: .requestLine(emptyLines: 0))
            return .request(request)
        case .failure(let error):
            guard head.keepsAlive else { return fail(error) }
            exchange.keepsAlive = true
            defer { reset(to: .requestLine(emptyLines: 0)) }
            return .failure(error, exchange)
        }
    }

    private mutating func fail(_ error: HTTPStatusError) -> Event {
        if exchange.id == nil { exchange.id = RequestID.accepted(from: fields.fields) }
        defer {
            reset(to: .failed)
            input = InputBuffer()
        }
        return .failure(error, exchange)
    }

    private mutating func reset(to next: State) {
        state = next
        fields = FieldSection()
        exchange = Exchange(method: .get, version: .http11, keepsAlive: false)
    }
}
