import HTTPMessages
import HTTPTransport
import HTTPTypes
import Testing

/// Requests and responses over real sockets.
@Suite(.timeLimit(.minutes(2))) struct RequestResponseTests {
    @Test func keepAlive_servesSeveralRequests() async throws {
        try await withServer { _, address in
            let client = try TestClient(address)
            for index in 0..<20 {
                try await client.send(get("/\(index)"))
                let reply = try await client.reply()
                #expect(reply.status == 200 && reply.text == "/\(index)")
                #expect(reply.fields["connection"] == nil)
                #expect(reply.fields["date"]?.hasSuffix(" GMT") == true)
            }
            try await client.send(get("/last", "Connection: close\r\n"))
            #expect(try await client.reply().fields["connection"] == "close")
            #expect(try await client.rest() == "")
        }
    }

    @Test func http10_closesUnlessAskedOtherwise() async throws {
        try await withServer { _, address in
            let client = try TestClient(address)
            try await client.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(try await client.reply().fields["connection"] == "keep-alive")
            try await client.send("GET /b HTTP/1.0\r\n\r\n")
            #expect(try await client.reply().text == "/b")
            #expect(try await client.rest() == "")
        }
    }

    @Test func pipelining_isAnsweredInOrder() async throws {
        // The first answers take longer than the later ones.
        let handler: @Sendable (Request) async -> Response = { request in
            if request.path.count < 3 { try? await Task.sleep(for: .milliseconds(20)) }
            return await echo(request)
        }
        try await withServer(handler: handler) { _, address in
            let client = try TestClient(address)
            try await client.send((0..<40).map { get("/\($0)") }.joined())
            for index in 0..<40 { #expect(try await client.reply().text == "/\(index)") }
        }
    }

    @Test func pipelining_beyondTheReadAheadIsHeldBackNotLost() async throws {
        try await withServer({ $0.readAhead = 1024 }) { _, address in
            let client = try TestClient(address)
            let body = String(repeating: "x", count: 900)
            let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n\(body)"
            async let sent: Void = client.send(String(repeating: request, count: 300))
            try await sent
            for _ in 0..<300 { #expect(try await client.reply().body.count == 900) }
        }
    }

    @Test func chunkedRequest_isCollected() async throws {
        try await withServer { _, address in
            let client = try TestClient(address)
            try await client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            try await client.send("1;x=y\r\n \r\n5\r\nwor")
            try await client.send("ld\r\n0\r\n\r\n" + get("/next"))
            #expect(try await client.reply().text == "hello world")
            #expect(try await client.reply().text == "/next")
        }
    }

    @Test func slowClient_isServedByteByByte() async throws {
        try await withServer { _, address in
            let client = try TestClient(address)
            for byte in Array(get("/slow").utf8) {
                try await client.send([byte])
                await Task.yield()
            }
            #expect(try await client.reply().text == "/slow")
        }
    }

    @Test func bodies_ofMegabytesArriveWhole() async throws {
        try await withServer { _, address in
            let client = try TestClient(address)
            let body = (0..<6_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
            async let sent: Void = client.send(
                Array("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n\r\n".utf8) + body
            )
            try await sent
            #expect(try await client.reply().body == body)
        }
    }

    @Test func expectation_isAnsweredBeforeTheBody() async throws {
        try await withServer { _, address in
            let client = try TestClient(address)
            try await client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            #expect(try await client.reply().status == 100)
            try await client.send("hello")
            #expect(try await client.reply().text == "hello")
        }
    }

    @Test func head_hasNoBody() async throws {
        try await withServer { _, address in
            let client = try TestClient(address)
            try await client.send("HEAD /abc HTTP/1.1\r\nHost: a\r\n\r\n" + get("/next"))
            #expect(try await client.reply(toHead: true).fields["content-length"] == "4")
            #expect(try await client.reply().text == "/next")
        }
    }

    @Test func requestID_isOnEveryResponse() async throws {
        try await withServer { _, address in
            let client = try TestClient(address)
            try await client.send(
                get("/", "X-Request-Id: mine-1\r\n") + get("/") + "GET /% HTTP/1.1\r\nHost: a\r\n\r\n"
            )
            #expect(try await client.reply().fields["x-request-id"] == "mine-1")
            #expect(try await client.reply().fields["x-request-id"]?.count == 32)
            let refused = try await client.reply()
            #expect(refused.status == 400)
            #expect(refused.fields["x-request-id"]?.count == 32)
            // The request was well framed, so the connection goes on.
            try await client.send(get("/on"))
            #expect(try await client.reply().text == "/on")
        }
    }

    @Test func malformedRequest_isRenderedByTheOwnerAndCloses() async throws {
        var settings = HTTPServerSettings(address: .tcp(host: "127.0.0.1", port: 0))
        settings.limits.requestLine = 50
        let server = HTTPServer(
            settings,
            renderError: { Response($0.status, body: Array("{\($0.code)}".utf8)) },
            handler: echo
        )
        let address = try server.start()
        let client = try TestClient(address)
        try await client.send("GET /\(String(repeating: "a", count: 50)) HTTP/1.1\r\n")
        let reply = try await client.reply()
        #expect(reply.status == 414 && reply.text == "{request_line_too_long}")
        #expect(reply.fields["connection"] == "close")
        #expect(try await client.rest() == "")
        await server.shutdown(within: 1)
    }

    @Test func bodyTooLarge_isAnsweredWhileTheClientStillSends() async throws {
        try await withServer({ $0.limits.body = 100_000 }) { _, address in
            let client = try TestClient(address)
            try await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n")
            try await client.send([UInt8](repeating: 1, count: 1_000_000))
            #expect(try await client.reply().status == 413)
            #expect(try await client.rest() == "")
        }
    }

    @Test func remoteAddress_isTheClients() async throws {
        let handler: @Sendable (Request) async -> Response = { Response(.ok, text: $0.remoteAddress ?? "none") }
        try await withServer(handler: handler) { _, address in
            let client = try TestClient(address)
            try await client.send(get("/"))
            #expect(try await client.reply().text == "127.0.0.1")
        }
    }
}
