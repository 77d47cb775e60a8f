import HTTPMessages
import HTTPTransport
import HTTPTypes
import Testing

/// Clients that go away, and clients that only stop sending.
@Suite(.timeLimit(.minutes(2))) struct HangUpTests {
    /// Answers after its task was cancelled, or after half a second on `/soon`.
    private struct Watch: Sendable {
        let started = Signal()
        let cancelled = Signal()

        @Sendable func handle(_ request: Request) async -> Response {
            started.fire()
            if request.path == "/soon" {
                try? await Task.sleep(for: .milliseconds(500))
            } else {
                await waitForCancellation()
            }
            if Task.isCancelled { cancelled.fire() }
            return Response(.ok, text: "done")
        }
    }

    @Test func hangUp_cancelsTheHandler() async throws {
        let watch = Watch()
        try await withServer(handler: watch.handle) { _, address in
            let client = try TestClient(address)
            try await client.send(get("/"))
            #expect(await watch.started.wait())
            try await client.hangUp()
            #expect(await watch.cancelled.wait())
        }
    }

    @Test func hangUp_ofAUnixSocketCancelsTheHandler() async throws {
        let watch = Watch()
        let path = temporarySocketPath()
        try await withServer({ $0.address = .unix(path: path) }, handler: watch.handle) { _, address in
            let client = try TestClient(address)
            try await client.send(get("/"))
            #expect(await watch.started.wait())
            try await client.hangUp()
            #expect(await watch.cancelled.wait())
        }
    }

    @Test func hangUp_dropsPipelinedRequestsToo() async throws {
        let watch = Watch()
        try await withServer(handler: watch.handle) { server, address in
            let client = try TestClient(address)
            try await client.send(get("/") + get("/") + get("/"))
            #expect(await watch.started.wait())
            try await client.hangUp()
            #expect(await watch.cancelled.wait())
            while server.connectionCount > 0 { try await Task.sleep(for: .milliseconds(10)) }
        }
    }

    @Test func halfClose_isStillAnswered() async throws {
        try await withServer { _, address in
            let client = try TestClient(address)
            try await client.send(get("/a") + get("/b"))
            try await client.endOutput()
            #expect(try await client.reply().text == "/a")
            #expect(try await client.reply().text == "/b")
            #expect(try await client.rest() == "")
        }
    }

    @Test func halfClose_doesNotCancelASlowHandler() async throws {
        let watch = Watch()
        try await withServer(handler: watch.handle) { _, address in
            let client = try TestClient(address)
            try await client.send(get("/soon"))
            try await client.endOutput()
            var reply = try await client.reply()
            // The server may have made sure that somebody still listens.
            if reply.status == 100 { reply = try await client.reply() }
            #expect(reply.status == 200 && reply.text == "done")
            #expect(!watch.cancelled.isFired)
        }
    }

    @Test func halfClose_ofAUnixSocketDoesNotCancel() async throws {
        let watch = Watch()
        let path = temporarySocketPath()
        try await withServer({ $0.address = .unix(path: path) }, handler: watch.handle) { _, address in
            let client = try TestClient(address)
            try await client.send(get("/soon"))
            try await client.endOutput()
            #expect(try await client.reply().text == "done")
            #expect(!watch.cancelled.isFired)
        }
    }

    @Test func endWithinARequest_isAnswered() async throws {
        try await withServer { _, address in
            let client = try TestClient(address)
            try await client.send("GET / HTTP/1.1\r\nHost")
            try await client.endOutput()
            #expect(try await client.reply().status == 400)
        }
    }
}
