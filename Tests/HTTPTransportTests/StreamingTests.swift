import HTTPMessages
import HTTPTransport
import HTTPTypes
import Synchronization
import Testing

/// Bodies made while they are sent.
@Suite(.timeLimit(.minutes(2))) struct StreamingTests {
    @Test func stream_arrivesPieceByPiece() async throws {
        let received = Signal()
        let handler: @Sendable (Request) async -> Response = { _ in
            Response(
                .ok,
                body: .stream { writer in
                    try await writer.write(Array("first".utf8))
                    guard await received.wait() else { return }
                    try await writer.write(Array("second".utf8))
                }
            )
        }
        try await withServer(handler: handler) { _, address in
            let client = try TestClient(address)
            try await client.send(get("/"))
            var seen: [UInt8] = []
            while !String(decoding: seen, as: UTF8.self).hasSuffix("5\r\nfirst\r\n") {
                seen += try await client.bytes(1)
            }
            received.fire()
            #expect(try await client.bytes(16) == Array("6\r\nsecond\r\n0\r\n\r\n".utf8))
            try await client.send(get("/"))
            #expect(try await client.reply().text == "firstsecond")
        }
    }

    @Test func stream_toHTTP10EndsWithTheConnection() async throws {
        let handler: @Sendable (Request) async -> Response = { _ in
            Response(.ok, body: .stream { try await $0.write([97, 98]) })
        }
        try await withServer(handler: handler) { _, address in
            let client = try TestClient(address)
            try await client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(try await client.reply().text == "ab")
        }
    }

    @Test func stream_waitsForASlowReader() async throws {
        let written = Mutex(0)
        let piece = [UInt8](repeating: 120, count: 100_000)
        let handler: @Sendable (Request) async -> Response = { _ in
            Response(
                .ok,
                body: .stream { writer in
                    for _ in 0..<500 {
                        try await writer.write(piece)
                        written.withLock { $0 += piece.count }
                    }
                }
            )
        }
        try await withServer(handler: handler) { _, address in
            let client = try TestClient(address)
            try await client.send(get("/"))
            try await Task.sleep(for: .milliseconds(300))
            // What the kernel keeps for both sides is far less than the 50 MB of the body.
            #expect(written.withLock(\.self) < 40_000_000)
            #expect(try await client.reply().body.count == 50_000_000)
        }
    }

    @Test func stream_thatFailsBreaksTheBody() async throws {
        let handler: @Sendable (Request) async -> Response = { _ in
            Response(
                .ok,
                body: .stream { writer in
                    try await writer.write([1])
                    throw CancellationError()
                }
            )
        }
        try await withServer(handler: handler) { _, address in
            let client = try TestClient(address)
            try await client.send(get("/"))
            await #expect(throws: TestClient.Failure.self) { try await client.reply() }
        }
    }

    @Test func stream_endsWhenTheClientHangsUp() async throws {
        let (started, ended) = (Signal(), Signal())
        let handler: @Sendable (Request) async -> Response = { _ in
            Response(
                .ok,
                body: .stream { writer in
                    try await writer.write([1])
                    started.fire()
                    await waitForCancellation()
                    if Task.isCancelled { ended.fire() }
                }
            )
        }
        try await withServer(handler: handler) { _, address in
            let client = try TestClient(address)
            try await client.send(get("/"))
            #expect(await started.wait())
            try await client.hangUp()
            #expect(await ended.wait())
        }
    }

    @Test func stream_isNotRunForHead() async throws {
        let ran = Signal()
        let handler: @Sendable (Request) async -> Response = { _ in Response(.ok, body: .stream { _ in ran.fire() }) }
        try await withServer(handler: handler) { _, address in
            let client = try TestClient(address)
            try await client.send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            #expect(try await client.reply(toHead: true).status == 200)
            #expect(try await client.rest() == "")
            #expect(!ran.isFired)
        }
    }
}
