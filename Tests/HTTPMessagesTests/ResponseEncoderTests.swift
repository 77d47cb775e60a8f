import HTTPMessages
import HTTPTypes
import Testing

@Suite struct ResponseEncoderTests {
    private func head(
        _ response: Response,
        _ method: HTTPRequest.Method = .get,
        _ version: HTTPVersion = .http11,
        keepsAlive: Bool = true
    ) -> (text: String, framing: ResponseEncoder.Framing, keepsAlive: Bool) {
        var output: [UInt8] = []
        let encoder = ResponseEncoder(.init(method: method, version: version, keepsAlive: keepsAlive))
        let (framing, alive) = encoder.appendHead(
            of: response,
            date: HTTPDate(secondsSince1970: 784_111_777),
            to: &output
        )
        return (String(decoding: output, as: UTF8.self), framing, alive)
    }

    private let stream = Response(.ok, body: .stream { _ in })

    @Test func bytes_haveAContentLength() {
        let head = head(Response(.created, fields: [.contentType: "text/plain"], body: [1, 2, 3]))
        #expect(
            head.text == "HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                + "Content-Length: 3\r\n\r\n"
        )
        #expect(head.framing == .length && head.keepsAlive)
    }

    @Test func stream_isChunkedOrEndsWithTheConnection() {
        let chunked = head(stream)
        #expect(chunked.framing == .chunked && chunked.keepsAlive)
        #expect(chunked.text.contains("Transfer-Encoding: chunked\r\n"))
        let closing = head(stream, .get, .http10)
        #expect(closing.framing == .untilClose && !closing.keepsAlive)
        #expect(!closing.text.contains("Transfer-Encoding"))
        #expect(closing.text.contains("Connection: close\r\n"))
    }

    @Test func head_hasTheLengthButNoBody() {
        let bytes = head(Response(.ok, body: [1, 2]), .head)
        #expect(bytes.framing == .none)
        #expect(bytes.text.contains("Content-Length: 2\r\n"))
        #expect(head(stream, .head).framing == .none)
    }

    @Test(arguments: [204, 304]) func status_withoutBodyHasNoLength(code: Int) {
        let head = head(Response(.init(code: code), body: [1, 2]))
        #expect(head.framing == .none)
        #expect(!head.text.contains("Content-Length"))
    }

    @Test func connection_followsTheExchangeAndTheHandler() {
        #expect(!head(Response(.ok)).text.contains("Connection"))
        #expect(head(Response(.ok), keepsAlive: false).text.contains("\r\nConnection: close\r\n"))
        #expect(head(Response(.ok), .get, .http10).text.contains("\r\nConnection: keep-alive\r\n"))
        let asked = head(Response(.ok, fields: [.connection: "close"]))
        #expect(!asked.keepsAlive && asked.text.contains("\r\nConnection: close\r\n"))
    }

    @Test func framingFields_ofAHandlerAreReplaced() {
        let fields: HTTPFields = [.contentLength: "98765", .transferEncoding: "gzip", .date: "never"]
        let text = head(Response(.ok, fields: fields, body: [1])).text
        #expect(text.contains("Content-Length: 1\r\n"))
        #expect(!text.contains("98765") && !text.contains("gzip") && !text.contains("never"))
    }

    @Test func fieldValues_cannotAddLines() {
        let text = head(Response(.ok, fields: [.location: "/a\r\nX-Evil: 1\n"])).text
        #expect(!text.contains("\nX-Evil"))
    }

    @Test func chunks_areFramed() {
        var output: [UInt8] = []
        ResponseEncoder.chunk([], into: &output)
        #expect(output.isEmpty)
        ResponseEncoder.chunk(Array("abcdefghijklmnopqrstuvwxyz".utf8), into: &output)
        #expect(String(decoding: output, as: UTF8.self) == "1a\r\nabcdefghijklmnopqrstuvwxyz\r\n")
    }

    @Test func collectedBody_runsTheStream() async throws {
        let response = Response(
            .ok,
            body: .stream { writer in
                try await writer.write([1, 2])
                try await writer.write([3])
            }
        )
        #expect(try await response.collectedBody() == [1, 2, 3])
        let sequence = AsyncThrowingStream<[UInt8], any Error> { stream in
            stream.yield([4])
            stream.yield([5])
            stream.finish()
        }
        #expect(try await Response(.ok, body: .stream(sequence)).collectedBody() == [4, 5])
        #expect(try await Response(.ok, text: "a").collectedBody() == [97])
    }

    @Test(arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
        (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"), (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"), (-5, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (Int.max, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ])
    func date_isWrittenAsHTTPHasIt(seconds: Int, text: String) {
        #expect(String(decoding: HTTPDate(secondsSince1970: seconds).bytes, as: UTF8.self) == text)
    }
}
