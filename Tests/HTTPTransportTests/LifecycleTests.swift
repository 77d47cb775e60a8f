import Glibc
import HTTPMessages
import HTTPTransport
import HTTPTypes
import Testing

func temporarySocketPath() -> String { "/tmp/triptych-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock" }

/// Addresses, timeouts, limits on connections, and shutting down.
@Suite(.timeLimit(.minutes(2))) struct LifecycleTests {
    @Test func header_thatDoesNotArriveIsA408() async throws {
        try await withServer({ $0.limits.headerSeconds = 0.2 }) { _, address in
            let client = try TestClient(address)
            try await client.send("GET / HTTP/1.1\r\n")
            let reply = try await client.reply()
            #expect(reply.status == 408)
            #expect(reply.fields["connection"] == "close")
            #expect(try await client.rest() == "")
        }
    }

    @Test func header_thatTricklesHasOneDeadline() async throws {
        let adjust: (inout HTTPServerSettings) -> Void = {
            ($0.limits.headerSeconds, $0.limits.headerFields, $0.limits.headerBytes) = (0.3, 10_000, 1 << 20)
        }
        try await withServer(adjust) { _, address in
            let client = try TestClient(address)
            let trickle = Task {
                try await client.send("GET / HTTP/1.1\r\n")
                while !Task.isCancelled {
                    try await client.send("A: b\r\n")
                    try await Task.sleep(for: .milliseconds(50))
                }
            }
            // Sending fails once the server has given up.
            await #expect(throws: TestClient.Failure.self) { try await trickle.value }
        }
    }

    @Test func body_thatStallsIsA408() async throws {
        try await withServer({ $0.limits.idleSeconds = 0.2 }) { _, address in
            let client = try TestClient(address)
            try await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
            #expect(try await client.reply().status == 408)
        }
    }

    @Test func idleConnection_isClosedWithoutAWord() async throws {
        try await withServer({ $0.limits.idleSeconds = 0.2 }) { _, address in
            let silent = try TestClient(address)
            let client = try TestClient(address)
            try await client.send(get("/"))
            #expect(try await client.reply().status == 200)
            #expect(try await client.rest() == "")
            #expect(try await silent.rest() == "")
        }
    }

    @Test func reader_thatStopsLosesTheConnection() async throws {
        // The connection may be gone before anybody sees it counted, so the handler says that it was there.
        let accepted = Signal()
        let handler: @Sendable (Request) async -> Response = { _ in
            accepted.fire()
            return Response(.ok, body: [UInt8](repeating: 1, count: 50_000_000))
        }
        try await withServer({ $0.limits.idleSeconds = 0.2 }, handler: handler) { server, address in
            let client = try TestClient(address)
            try await client.send(get("/"))
            #expect(await accepted.wait())
            while server.connectionCount > 0 { try await Task.sleep(for: .milliseconds(10)) }
            await #expect(throws: TestClient.Failure.self) { try await client.reply() }
        }
    }

    @Test func connections_manyAtOnceAreServed() async throws {
        try await withServer { _, address in
            let clients = try (0..<200).map { _ in try TestClient(address) }
            try await withThrowingTaskGroup { group in
                for (index, client) in clients.enumerated() {
                    group.addTask {
                        for round in 0..<5 {
                            try await client.send(get("/\(index)/\(round)"))
                            #expect(try await client.reply().text == "/\(index)/\(round)")
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func connections_beyondTheLimitAreRefused() async throws {
        try await withServer({ $0.limits.connections = 2 }) { server, address in
            let first = [try TestClient(address), try TestClient(address)]
            for client in first {
                try await client.send(get("/"))
                #expect(try await client.reply().status == 200)
            }
            let third = try TestClient(address)
            try await third.send(get("/"))
            let reply = try await third.reply()
            #expect(reply.status == 503)
            #expect(reply.fields["retry-after"] != nil)
            #expect(try await third.rest() == "")
            try await first[0].hangUp()
            try await third.hangUp()
            while server.connectionCount > 1 { try await Task.sleep(for: .milliseconds(10)) }
            let fourth = try TestClient(address)
            try await fourth.send(get("/"))
            #expect(try await fourth.reply().status == 200)
        }
    }

    @Test func shutdown_letsRequestsInFlightFinish() async throws {
        let (started, release) = (Signal(), Signal())
        let handler: @Sendable (Request) async -> Response = { request in
            guard request.path == "/slow" else { return await echo(request) }
            started.fire()
            _ = await release.wait()
            return Response(.ok, text: Task.isCancelled ? "cancelled" : "finished")
        }
        try await withServer(handler: handler) { server, address in
            let idle = try TestClient(address)
            try await idle.send(get("/"))
            #expect(try await idle.reply().status == 200)
            let busy = try TestClient(address)
            try await busy.send(get("/slow"))
            #expect(await started.wait())
            let down = Signal()
            let shutdown = Task {
                await server.shutdown(within: 30)
                down.fire()
            }
            #expect(try await idle.rest() == "")
            #expect(throws: TestClient.Failure.self) { try TestClient(address) }
            #expect(!down.isFired)
            release.fire()
            let reply = try await busy.reply()
            #expect(reply.text == "finished")
            #expect(reply.fields["connection"] == "close")
            try await busy.hangUp()
            await shutdown.value
            #expect(server.connectionCount == 0)
        }
    }

    @Test func shutdown_cancelsWhatTakesTooLong() async throws {
        let (started, cancelled) = (Signal(), Signal())
        let handler: @Sendable (Request) async -> Response = { _ in
            started.fire()
            await waitForCancellation()
            if Task.isCancelled { cancelled.fire() }
            return Response(.ok)
        }
        try await withServer(handler: handler) { server, address in
            let client = try TestClient(address)
            try await client.send(get("/"))
            #expect(await started.wait())
            await server.shutdown(within: 0.1)
            #expect(cancelled.isFired)
            #expect(server.connectionCount == 0)
        }
    }

    @Test func unixSocket_servesAndIsRemoved() async throws {
        let path = temporarySocketPath()
        try await withServer({ $0.address = .unix(path: path) }) { _, address in
            #expect(address == .unix(path: path))
            let client = try TestClient(address)
            try await client.send(get("/unix"))
            #expect(try await client.reply().text == "/unix")
            // A second server must not take the path away from one that lives.
            let second = HTTPServer(HTTPServerSettings(address: .unix(path: path)), handler: echo)
            #expect(throws: SocketError.self) { try second.start() }
        }
        #expect(access(path, F_OK) != 0)
    }

    @Test func unixSocket_leftBehindIsReplaced() async throws {
        let path = temporarySocketPath()
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let abandoned = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(abandoned, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(status == 0)
        close(abandoned)
        try await withServer({ $0.address = .unix(path: path) }) { _, address in
            let client = try TestClient(address)
            try await client.send(get("/"))
            #expect(try await client.reply().status == 200)
        }
    }

    @Test func unixPath_thatIsNoSocketIsLeftAlone() throws {
        let path = temporarySocketPath()
        close(open(path, O_CREAT | O_WRONLY, 0o600))
        defer { unlink(path) }
        let server = HTTPServer(HTTPServerSettings(address: .unix(path: path)), handler: echo)
        #expect(throws: SocketError.self) { try server.start() }
        #expect(access(path, F_OK) == 0)
        let long = HTTPServer(
            HTTPServerSettings(address: .unix(path: "/tmp/" + String(repeating: "a", count: 200))),
            handler: echo
        )
        #expect(throws: SocketError.self) { try long.start() }
    }

    @Test func address_inUseOrUnknownIsAnErrorThatNamesIt() async throws {
        try await withServer { _, address in
            let port = try #require(address.port)
            let second = HTTPServer(HTTPServerSettings(address: .tcp(host: "127.0.0.1", port: port)), handler: echo)
            #expect { try second.start() } throws: { "\($0)".contains("127.0.0.1:\(port)") }
        }
        let unknown = HTTPServer(HTTPServerSettings(address: .tcp(host: "256.0.0.1.invalid", port: 0)), handler: echo)
        #expect { try unknown.start() } throws: { "\($0)".contains("256.0.0.1.invalid") }
    }

    @Test(arguments: ["localhost", "::1", "::", "0.0.0.0"]) func host_ofAnyFormIsServed(host: String) async throws {
        // A container may have no IPv6 at all.
        if host.contains(":"), access("/proc/net/if_inet6", F_OK) != 0 { return }
        try await withServer({ $0.address = .tcp(host: host, port: 0) }) { server, address in
            #expect(server.boundAddress == address)
            let port = try #require(address.port)
            #expect(port > 0)
            let client = try TestClient(.ip(host: host == "::1" ? "::1" : "127.0.0.1", port: port))
            try await client.send(get("/"))
            #expect(try await client.reply().status == 200)
        }
    }
}
