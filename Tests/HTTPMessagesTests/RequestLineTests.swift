import HTTPMessages
import HTTPTypes
import Testing

@Suite struct RequestLineTests {
    @Test func requestLine_isTakenApart() throws {
        let request = try #require(
            decode("GET /v1/jobs/a%2Fb%20c?limit=3&after=x+y%21&flag HTTP/1.1\r\nHost: a:80\r\n\r\n").requests.first
        )
        #expect(request.method == .get)
        #expect(request.version == .http11)
        #expect(request.target.segments == ["v1", "jobs", "a/b c"])
        #expect(request.path == "/v1/jobs/a/b c")
        #expect(request.query("limit") == "3")
        #expect(request.query("after") == "x y!")
        #expect(request.query("flag") == "")
        #expect(request.query("none") == nil)
        #expect(request.target.authority == nil)
        #expect(request.keepsAlive)
    }

    @Test(arguments: [
        ("http://h.example:8080/a?b=c", "h.example:8080", ["a"]), ("HTTP://[::1]", "[::1]", [""]),
        ("https://h?x=1", "h", [""]), ("http://h/", "h", [""]),
    ])
    func absoluteForm_givesAuthorityAndPath(target: String, authority: String, segments: [String]) throws {
        let request = try #require(decode("GET \(target) HTTP/1.1\r\nHost: other\r\n\r\n").requests.first)
        #expect(request.target.authority == authority)
        #expect(request.target.segments == segments)
    }

    @Test func asteriskForm_isForOptionsOnly() {
        #expect(decode("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").requests.first?.path == "*")
        #expect(decode("GET * HTTP/1.1\r\nHost: a\r\n\r\n").failures == ["400 target_invalid"])
    }

    @Test(arguments: [
        "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET /", "GET / http/1.1", "GET / HTTP/1", "GET", "",
        "GET\t/ HTTP/1.1", "GET /a b HTTP/1.1", "G(T / HTTP/1.1", "GET /\u{7F} HTTP/1.1", "GET /é HTTP/1.1",
        "GET /\rX HTTP/1.1", "GET / HTTP/1.1\r", "GET /\0 HTTP/1.1", "GET / HTTP/1.x",
    ])
    func requestLine_malformed(line: String) {
        // After the one empty line that is forgiven.
        #expect(decode("\r\n\(line)\r\nHost: a\r\n\r\n").failures == ["400 request_malformed!"])
    }

    @Test(arguments: ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3.0"])
    func version_unsupported(version: String) {
        #expect(decode("GET / \(version)\r\nHost: a\r\n\r\n").failures == ["505 version_unsupported!"])
    }

    @Test func connectionPreface_ofHTTP2IsRefused() {
        #expect(decode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").failures == ["505 version_unsupported!"])
    }

    @Test func connect_isNotImplemented() {
        #expect(decode("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n").failures == ["501 method_not_implemented!"])
    }

    @Test(arguments: [
        "/%", "/%4", "/%zz", "/%00", "/%ff", "/a?%", "/a?b=%C3%28", "/a#b", "a", "http://", "http://a@b/", "ftp://a/",
        "http:///x", "http://[::g]/", "http://a:b/",
    ])
    func target_invalidKeepsTheConnection(target: String) {
        let events = decode(
            "POST \(target) HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        #expect(events.failures == ["400 target_invalid"])
        #expect(events.requests.count == 1)
    }

    @Test func requestLine_limitIsExact() {
        var limits = HTTPLimits()
        limits.requestLine = 20
        let longest = "GET /aaaaaa HTTP/1.1"
        #expect(decode("\(longest)\r\nHost: a\r\n\r\n", limits: limits).requests.count == 1)
        #expect(
            decode("GET /aaaaaaa HTTP/1.1\r\nHost: a\r\n\r\n", limits: limits).failures == [
                "414 request_line_too_long!"
            ]
        )
        #expect(decode("GET /aaaaaaaaaaaaaaaaa", limits: limits).failures == ["414 request_line_too_long!"])
    }

    @Test func requestID_isTakenOnlyIfSane() throws {
        func id(_ value: String) throws -> String {
            try #require(decode(request(field: "X-Request-Id: \(value)", method: "GET")).requests.first).id
        }
        #expect(try id("abc-1_2.Z") == "abc-1_2.Z")
        #expect(try id("a b") == "")
        #expect(try id("<script>") == "")
        #expect(try id(String(repeating: "a", count: 129)) == "")
        #expect(RequestID.random().count == 32)
        #expect(RequestID.random() != RequestID.random())
    }
}
