import HTTPMessages
import HTTPTypes
import Testing

@Suite struct BodyFramingTests {
    @Test func contentLength_delimitsTheBody() throws {
        let request = try #require(decode(request(field: "Content-Length: 005", body: "a\0b\r\n")).requests.first)
        #expect(request.body == Array("a\0b\r\n".utf8))
    }

    @Test(arguments: [
        "Content-Length: +5", "Content-Length: -5", "Content-Length: 5, 5", "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6", "Content-Length: 0x5", "Content-Length: 5 5", "Content-Length:",
        "Content-Length: 5.0", "Content-Length: 99999999999999999999999", "Content-Length: ٥",
    ])
    func contentLength_invalid(line: String) {
        #expect(decode(request(field: line, body: "hello")).failures == ["400 content_length_invalid!"])
    }

    @Test func body_limitIsExact() {
        var limits = HTTPLimits()
        limits.body = 5
        #expect(decode(request(field: "Content-Length: 5", body: "hello"), limits: limits).requests.count == 1)
        #expect(decode(request(field: "Content-Length: 6"), limits: limits).failures == ["413 content_too_large!"])
        let chunked = "Transfer-Encoding: chunked"
        #expect(
            decode(request(field: chunked, body: "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), limits: limits).requests.count
                == 1
        )
        #expect(
            decode(request(field: chunked, body: "2\r\nhe\r\n4\r\n"), limits: limits).failures == [
                "413 content_too_large!"
            ]
        )
    }

    @Test func bodyAbsent_isEmpty() {
        #expect(decode(request(field: "X: y")).requests.map(\.body) == [[]])
        #expect(decode(request(field: "X: y", version: "1.0")).failures == ["411 length_required!"])
    }

    @Test func chunked_isDecodedWithExtensionsAndTrailers() throws {
        let body = "5;a=b;c=\"d\"\r\nhello\r\n00A ; x\r\n 123456789\r\n000\r\nX-Sum: 1\r\nY: 2\r\n\r\n"
        let request = try #require(decode(request(field: "Transfer-Encoding: Chunked", body: body)).requests.first)
        #expect(String(decoding: request.body, as: UTF8.self) == "hello 123456789")
        #expect(request.trailers.map(\.value) == ["1", "2"])
        #expect(request.fields[try #require(HTTPField.Name("X-Sum"))] == nil)
    }

    @Test(arguments: [
        "g\r\n", "\r\n", "-1\r\n", "0x5\r\nhello\r\n", "5 \r\nhello\r\n", "5 x\r\nhello\r\n", "5\r\nhelloX\r\n",
        "5\r\nhello\rX", "1000000000000000\r\n", "5;\0\r\n", "5;\r\u{1}\r\n", "+5\r\nhello\r\n",
        "5;\(String(repeating: "a", count: 1100))\r\nhello\r\n",
    ])
    func chunk_malformed(body: String) {
        #expect(
            decode(request(field: "Transfer-Encoding: chunked", body: body)).failures == ["400 chunk_invalid!"]
        )
    }

    @Test(arguments: ["5\nhello\r\n", "5\r\nhello\n", "0\n\r\n", "0\r\n\n"])
    func chunk_bareLineFeed(body: String) {
        #expect(decode(request(field: "Transfer-Encoding: chunked", body: body)).failures == ["400 request_malformed!"])
    }

    @Test func chunkExtensions_shareTheFieldLimit() {
        let chunk = "1;\(String(repeating: "a", count: 900))\r\nx\r\n"
        let body = String(repeating: chunk, count: 40)
        #expect(
            decode(request(field: "Transfer-Encoding: chunked", body: body)).failures == [
                "431 header_fields_too_large!"
            ]
        )
    }

    @Test(arguments: ["Content-Length: 1", "Transfer-Encoding: gzip", "Host: b", " folded: x", "no colon"])
    func trailer_forbiddenOrMalformed(line: String) {
        let body = "0\r\n\(line)\r\n\r\n"
        #expect(decode(request(field: "Transfer-Encoding: chunked", body: body)).failures == ["400 request_malformed!"])
    }

    @Test func trailers_shareTheFieldLimits() {
        var limits = HTTPLimits()
        limits.headerFields = 3
        let head = "Transfer-Encoding: chunked"
        #expect(decode(request(field: head, body: "0\r\nA: 1\r\n\r\n"), limits: limits).requests.count == 1)
        #expect(
            decode(request(field: head, body: "0\r\nA: 1\r\nB: 2\r\n\r\n"), limits: limits).failures
                == ["431 header_fields_too_large!"]
        )
    }

    @Test(arguments: [
        ("Transfer-Encoding: chunked\r\nContent-Length: 3", "400 framing_conflict!"),
        ("Content-Length: 3\r\nTransfer-Encoding: identity", "400 framing_conflict!"),
        ("Transfer-Encoding: chunked, chunked", "400 framing_conflict!"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "400 framing_conflict!"),
        ("Transfer-Encoding: gzip, chunked", "501 transfer_encoding_unsupported!"),
        ("Transfer-Encoding: chunked, identity", "501 transfer_encoding_unsupported!"),
        ("Transfer-Encoding: xchunked", "501 transfer_encoding_unsupported!"),
        ("Transfer-Encoding: \u{B}chunked", "400 request_malformed!"),
        ("Transfer-Encoding : chunked", "400 request_malformed!"),
        ("Transfer-Encoding:\r\n chunked", "400 request_malformed!"),
    ])
    func framing_ambiguousIsRefused(lines: String, failure: String) {
        #expect(decode(request(field: lines, body: "0\r\n\r\n")).failures == [failure])
    }

    @Test func transferEncoding_hasNoPlaceInHTTP10() {
        let text = request(field: "Transfer-Encoding: chunked", body: "0\r\n\r\n", version: "1.0")
        #expect(decode(text).failures == ["400 framing_conflict!"])
    }

    @Test func failure_isTheLastEvent() {
        let text = request(field: "Content-Length: x") + request(field: "X: y")
        #expect(decode(text).count == 1)
    }

    @Test func failure_knowsItsRequest() throws {
        let text = "HEAD / HTTP/1.0\r\nX-Request-Id: r1\r\nContent-Length: x\r\n\r\n"
        guard case .failure(_, let exchange) = try #require(decode(text).first) else { throw ClientDisconnected() }
        #expect(exchange == .init(method: .head, version: .http10, keepsAlive: false, id: "r1"))
    }
}
