import HTTPMessages
import HTTPTypes
import Testing

@Suite struct FieldTests {
    @Test func fields_keepOrderValuesAndCaseOfNames() throws {
        let request = try #require(
            decode("GET / HTTP/1.1\r\nhost:a\r\nX-A: \t one, two \t\r\nx-a:three\r\nEmpty:\r\nLatin: \u{E9}\r\n\r\n")
                .requests
                .first
        )
        let name = try #require(HTTPField.Name("X-A"))
        #expect(request.fields[values: name] == ["one, two", "three"])
        #expect(request.fields.map(\.name.rawName) == ["host", "X-A", "x-a", "Empty", "Latin"])
        #expect(request.fields.map(\.value) == ["a", "one, two", "three", "", "\u{E9}"])
    }

    @Test func fieldValue_notUTF8KeepsItsBytes() throws {
        let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nX: ".utf8) + [0xE9] + Array("\r\n\r\n".utf8)
        let field = try #require(decode(bytes).requests.first?.fields.last)
        #expect(field.withUnsafeBytesOfValue { Array($0) } == [0xE9])
    }

    @Test(arguments: [
        "No colon", ": empty", "Space : a", " Folded: a", "X: a\r\n folded", "X: a\r\n\tfolded", "X: a\0b", "X: a\rb",
        "X: \u{7F}", "X: \u{1}", "Ünicode: a", "X(: a",
    ])
    func fieldLine_malformed(line: String) {
        #expect(decode(request(field: line)).failures == ["400 request_malformed!"])
    }

    @Test(arguments: [
        "GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "\nGET",
        "GET / HTTP/1.1\r\n\nHost: a\r\n\r\n",
    ])
    func bareLineFeed_isRefused(text: String) {
        #expect(decode(text).failures == ["400 request_malformed!"])
    }

    @Test func fieldCount_limitIsExact() {
        var limits = HTTPLimits()
        limits.headerFields = 3
        #expect(decode("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\n\r\n", limits: limits).requests.count == 1)
        #expect(
            decode("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", limits: limits).failures
                == ["431 header_fields_too_large!"]
        )
    }

    @Test func fieldBytes_limitIsExact() {
        var limits = HTTPLimits()
        limits.headerBytes = 9 + 10
        #expect(decode("GET / HTTP/1.1\r\nHost: a\r\nA: 34567\r\n\r\n", limits: limits).requests.count == 1)
        #expect(
            decode("GET / HTTP/1.1\r\nHost: a\r\nA: 345678\r\n\r\n", limits: limits).failures
                == ["431 header_fields_too_large!"]
        )
        // One line without an end is refused as soon as it is too long.
        #expect(
            decode("GET / HTTP/1.1\r\nHost: \(String(repeating: "a", count: 30))", limits: limits).failures
                == ["431 header_fields_too_large!"]
        )
    }

    @Test func fieldCount_absurdLimitDoesNotTrap() {
        var limits = HTTPLimits()
        (limits.headerFields, limits.headerBytes) = (.max, 1 << 30)
        let lines = String(repeating: "A:\r\n", count: 70_000)
        #expect(
            decode("GET / HTTP/1.1\r\nHost: a\r\n\(lines)\r\n", limits: limits).failures
                == ["431 header_fields_too_large!"]
        )
    }

    @Test func host_isRequiredInHTTP11() {
        #expect(decode("GET / HTTP/1.1\r\n\r\n").failures == ["400 host_invalid"])
        #expect(decode("GET / HTTP/1.0\r\n\r\n").requests.count == 1)
        #expect(decode("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n").failures == ["400 host_invalid!"])
        #expect(decode("GET / HTTP/1.1\r\nHost:\r\n\r\n").requests.count == 1)
    }

    @Test(arguments: ["a b", "a/b", "u@a", "a:b", "[::1", "a,b:8x", "[::1]x"])
    func host_invalid(host: String) {
        #expect(decode("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n").failures == ["400 host_invalid"])
    }

    @Test(arguments: ["localhost", "127.0.0.1:8080", "[::1]:80", "[::ffff:1.2.3.4]", "a-b.c_d:0"])
    func host_valid(host: String) {
        #expect(decode("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n").requests.count == 1)
    }

    @Test(arguments: [
        ("1.1", "X: y", true), ("1.1", "Connection: close", false), ("1.1", "Connection: Keep-Alive, CLOSE", false),
        ("1.1", "Connection: keep-alive", true), ("1.1", "Connection: closed", true), ("1.0", "X: y", false),
        ("1.0", "Connection: keep-alive", true), ("1.0", "Connection: keep-alive, close", false),
        ("1.1", "Connection: upgrade\r\nConnection: close", false),
    ])
    func keepAlive_followsVersionAndConnection(version: String, line: String, keepsAlive: Bool) {
        let requests = decode(request(field: line, method: "GET", version: version)).requests
        #expect(requests.map(\.keepsAlive) == [keepsAlive])
    }
}
