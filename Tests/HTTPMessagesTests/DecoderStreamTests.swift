import HTTPMessages
import HTTPTypes
import Testing

/// The decoder over time: pieces, pipelines, ends of input, and what it holds.
@Suite struct DecoderStreamTests {
    private static let messages: [String] = [
        "GET /a%20b?c=d HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
        request(field: "Content-Length: 5", body: "hello"),
        request(field: "Transfer-Encoding: chunked", body: "5;x\r\nhello\r\n1\r\n \r\n0\r\nT: 1\r\n\r\n"),
        "\r\nGET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        request(field: "Content-Length: +5", body: "hello"), request(field: " folded"),
        request(field: "X: a\nY: b"), "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "BAD\r\n\r\n",
        request(field: "Transfer-Encoding: chunked", body: "5\r\nhelloxx"),
        request(field: "Transfer-Encoding: chunked", body: "zz\r\n"),
        "POST /%zz HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "GET /\(String(repeating: "a", count: 80)) HTTP/1.1\r\nHost: a\r\n\r\n",
        request(field: "X: \(String(repeating: "b", count: 200))"),
        request(field: "Content-Length: 50", body: ""), request(field: "X: y\rz"),
    ]

    private var limits: HTTPLimits {
        var limits = HTTPLimits()
        (limits.requestLine, limits.headerBytes, limits.body) = (60, 120, 40)
        return limits
    }

    @Test(arguments: messages)
    func message_decodesEquallyHoweverItIsCut(message: String) {
        let bytes = Array((message + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n").utf8)
        let whole = decode(bytes, limits: limits, ends: true)
        #expect(!whole.isEmpty)
        for cut in 0...bytes.count {
            #expect(decode(bytes, limits: limits, cuts: [cut], ends: true) == whole, "cut at \(cut)")
        }
        #expect(decode(bytes, limits: limits, cuts: Array(1..<bytes.count), ends: true) == whole, "byte by byte")
    }

    @Test func pipeline_staysInOrder() {
        let text = (0..<100).map { "POST /\($0) HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy" }.joined()
        #expect(decode(text).requests.map(\.path) == (0..<100).map { "/\($0)" })
    }

    @Test func endOfInput_withinARequestIsAFailure() {
        let text = request(field: "Content-Length: 5", body: "hello")
        #expect(decode("", ends: true).isEmpty)
        #expect(decode(text, ends: true).failures.isEmpty)
        for count in 1..<text.utf8.count {
            let events = decode(Array(text.utf8.prefix(count)), ends: true)
            #expect(events.failures == ["400 request_malformed!"], "after \(count) bytes")
        }
    }

    @Test func timeOut_withinARequestIsAFailure() {
        var decoder = RequestDecoder(limits: limits)
        #expect(decoder.timeOut() == nil)
        #expect(decoder.phase == .idle)
        decoder.append(Array("GET".utf8))
        #expect(decoder.next() == nil)
        #expect(decoder.phase == .head)
        let event = decoder.timeOut()
        #expect(event.map { [$0].failures } == ["408 request_timeout!"])
        #expect(decoder.phase == .failed)
    }

    @Test func phase_followsTheRequest() {
        var decoder = RequestDecoder(limits: limits)
        decoder.append(Array("POST / HTTP/1.1\r\n".utf8))
        #expect(decoder.next() == nil)
        #expect(decoder.phase == .head)
        decoder.append(Array("Host: a\r\nContent-Length: 2\r\n\r\n".utf8))
        #expect(decoder.next() == nil)
        #expect(decoder.phase == .body)
        decoder.append(Array("ab".utf8))
        #expect(decoder.next() != nil)
        #expect(decoder.phase == .idle)
    }

    @Test func errors_renderThemselves() throws {
        guard case .failure(let error, _) = try #require(decode("GET / HTTP/1.1\r\n\r\n").first) else { return }
        #expect(error.plainResponse.status == .badRequest)
        #expect(error.param == "Host")
    }
}
