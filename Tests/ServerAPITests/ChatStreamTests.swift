import Foundation
import HTTPMessages
import HTTPTypes
import Pipelines
import Serving
import ServingFakes
import StrictJSON
import Synchronization
import Testing

@testable import ServerAPI

@Suite(.timeLimit(.minutes(2))) struct ChatStreamTests {
    private static let path = "/v1/chat/completions"

    private func body(_ text: String, _ more: String = "") -> String {
        ChatRouteTests.body("\"\(text)\"", #""stream": true"# + (more.isEmpty ? "" : ", " + more))
    }

    /// What a stream said, event by event; comments are nil.
    private func events(_ bytes: [UInt8]) throws -> [JSONValue?] {
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.hasSuffix("\n\n"))
        return try text.components(separatedBy: "\n\n").dropLast().map { event in
            if event.hasPrefix(":") { return nil }
            let data = try #require(event.hasPrefix("data: ") ? event.dropFirst(6) : nil)
            return data == "[DONE]" ? "[DONE]" : try JSONValue(parsing: Array(data.utf8), rules: .requests)
        }
    }

    private func stream(_ client: TestClient, _ body: String, fields: HTTPFields = [:]) async throws -> [JSONValue] {
        let reply = try await client.post(Self.path, body, fields: fields)
        #expect(reply.status == 200 && reply.fields[.contentType] == "text/event-stream")
        return try events(reply.body).compactMap(\.self)
    }

    /// The same from a model that waits until the client listens: otherwise a job this short may be over before.
    private func followedStream(_ body: String) async throws -> [JSONValue] {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let client = try await TestClient(models: ["fake": pipeline])
        let reader = try Reader(try await response(client, body))
        var bytes: [UInt8] = []
        for await piece in reader.pieces {
            if bytes.isEmpty { pipeline.gate.open() }
            bytes += piece.utf8
        }
        return try events(bytes).compactMap(\.self)
    }

    /// The first choice of every chunk.
    private func choices(_ events: [JSONValue]) -> [JSONValue] {
        events.compactMap { $0["choices"]?.arrayValue?.first }
    }

    private func text(_ events: [JSONValue], of choice: Int = 0) -> String {
        choices(events).filter { $0["index"]?.integerValue == choice }
            .compactMap { $0["delta"]?["content"]?.stringValue }.joined()
    }

    @Test func text_comesInPieces() async throws {
        let events = try await followedStream(body("why not?"))
        #expect(events.last == "[DONE]")
        let chunks = events.dropLast()
        #expect(chunks.allSatisfy { $0["object"] == "chat.completion.chunk" && $0["model"] == "fake" })
        #expect(chunks.allSatisfy { $0["usage"] == JSONValue?.none })
        #expect(Set(chunks.map { $0["id"]?.stringValue }).count == 1)
        let choices = choices(events)
        #expect(choices.first?["delta"] == ["role": "assistant", "content": "", "refusal": nil])
        #expect(choices.last?["finish_reason"] == "stop" && choices.last?["delta"] == [:])
        #expect(choices.dropLast().allSatisfy { $0["finish_reason"] == .null })
        #expect(choices.compactMap { $0["delta"]?["content"] } == ["", "You", " asked:", " why", " not?"])
    }

    @Test func picture_isOneDelta() async throws {
        let client = try await TestClient()
        let events = try await stream(client, body("draw it", #""seed": 3"#))
        let lists = choices(events).compactMap { $0["delta"]?["content"]?.arrayValue }
        #expect(lists.count == 1 && lists[0].count == 1)
        let plain = try await client.post(Self.path, ChatRouteTests.body(#""draw it""#, #""seed": 3"#))
        let parts = plain.json["choices"]?.arrayValue?.first?["message"]?["content"]?.arrayValue
        #expect(lists.first?.first == parts?[1])
        #expect(text(events) == "You asked: draw it")
    }

    @Test func usage_comesLastIfAskedFor() async throws {
        let options = #""stream_options": {"include_usage": true}"#
        let events = try await stream(try await TestClient(), body("why", options))
        let last = try #require(events.dropLast().last)
        #expect(last["choices"] == [])
        #expect(last["usage"] == ["prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4])
        #expect(events.dropLast(2).allSatisfy { $0["usage"] == .null })
    }

    @Test func severalReplies_haveTheirIndices() async throws {
        let events = try await stream(try await TestClient(), body("why", #""n": 2"#))
        for choice in 0..<2 {
            #expect(text(events, of: choice) == "You asked: why")
            let own = choices(events).filter { $0["index"]?.integerValue == choice }
            #expect(own.first?["delta"]?["role"] == "assistant" && own.last?["finish_reason"] == "stop")
        }
    }

    @Test func logProbabilities_comeWithTheirText() async throws {
        let events = try await followedStream(body("why", #""logprobs": true"#))
        let tokens = choices(events).compactMap { choice in
            choice["logprobs"]?["content"]?.arrayValue?.first?["token"]?.stringValue
        }
        #expect(tokens == ["You", " asked:", " why"])
    }

    @Test func errorBeforeTheFirstStep_hasAStatus() async throws {
        let client = try await TestClient()
        let refused = try await client.post(Self.path, body("refuse"))
        #expect(refused.status == 400 && refused.param == "messages")
        #expect(try await client.post(Self.path, body("a", #""model": "none""#)).status == 404)
    }

    @Test func errorInMidStream_isAnEvent() async throws {
        let events = try await followedStream(body("fail"))
        #expect(text(events) == "You")
        #expect(events.last?["error"]?["code"] == "run_failed")
        #expect(events.last?["error"]?["type"] == "server_error")
    }

    // MARK: Clients that come, go and wait

    /// Takes the pieces of a stream as a connection does, at the pace of the test.
    private struct Reader: Sendable {
        let pieces: AsyncStream<String>
        let task: Task<Void, any Error>

        init(_ response: Response, isSlow: Bool = false) throws {
            guard case .stream(let produce) = response.body else { throw NotAStream() }
            let (pieces, continuation) = AsyncStream.makeStream(of: String.self)
            self.pieces = pieces
            let writer = BodyWriter { bytes async throws(ClientDisconnected) in
                guard !Task.isCancelled else { throw ClientDisconnected() }
                continuation.yield(String(decoding: bytes, as: UTF8.self))
                if isSlow { try? await Task.sleep(for: .milliseconds(30)) }
            }
            task = Task {
                defer { continuation.finish() }
                try await produce(writer)
            }
        }

        struct NotAStream: Error {}
    }

    private func response(_ client: TestClient, _ body: String, fields: HTTPFields = [:]) async throws -> Response {
        var fields = fields
        fields[.contentType] = "application/json"
        return await client.api.respond(
            to: try Request(.post, Self.path, fields: fields, body: Array(body.utf8))
        )
    }

    @Test func text_isSentWhileTheReplyIsMade() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let client = try await TestClient(models: ["fake": pipeline])
        let reader = try Reader(try await response(client, body("why")))
        var pieces = reader.pieces.makeAsyncIterator()
        #expect(await pieces.next()?.contains("assistant") == true)
        pipeline.gate.admit(1)
        #expect(await pieces.next()?.contains("\"You\"") == true)
        pipeline.gate.open()
        try await reader.task.value
    }

    @Test(arguments: [false, true])
    func hangUp_cancelsTheJobUnlessItHasAKey(hasKey: Bool) async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let client = try await TestClient(models: ["fake": pipeline])
        let fields: HTTPFields = hasKey ? [.idempotencyKey: "k"] : [:]
        var id = ""
        do {
            let response = try await response(client, body("why"), fields: fields)
            id = try #require(response.fields[.jobID])
            let reader = try Reader(response)
            _ = await pipeline.gate.arrival()
            reader.task.cancel()
            try? await reader.task.value
        }
        pipeline.gate.open()
        let job = try await client.finishedJob(id)
        #expect(job["status"]?.stringValue == (hasKey ? "completed" : "cancelled"))
    }

    @Test func clientThatIsGoneBeforeTheFirstByte_cancelsItsJob() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let client = try await TestClient(models: ["fake": pipeline])
        let id = try #require(try await response(client, body("why")).fields[.jobID])
        let job = try await client.finishedJob(id)
        #expect(job["status"] == "cancelled")
        pipeline.gate.open()
    }

    @Test func sameKey_hearsTheWholeReplyAgain() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let client = try await TestClient(models: ["fake": pipeline])
        let key: HTTPFields = [.idempotencyKey: "k"]
        let first = try Reader(try await response(client, body("draw it"), fields: key))
        for _ in 0..<3 { pipeline.gate.admit(1) }
        for _ in 0..<4 { _ = await pipeline.gate.arrival() }
        // Three steps are over: this one comes late.
        let late = Task { try await stream(client, body("draw it"), fields: key) }
        pipeline.gate.open()
        let heard = try await late.value
        #expect(text(heard) == "You asked: draw it" && heard.last == "[DONE]")
        try await first.task.value
        // And this one after the end.
        let stored = try await stream(client, body("draw it"), fields: key)
        #expect(text(stored) == "You asked: draw it" && stored.last == "[DONE]")
        #expect(choices(stored).compactMap { $0["delta"]?["content"]?.arrayValue }.count == 1)
    }

    @Test func slowReader_missesNothing() async throws {
        let client = try await TestClient()
        let words = (0..<20).map { "w\($0)" }.joined(separator: " ")
        let reader = try Reader(try await response(client, body(words)), isSlow: true)
        var bytes: [UInt8] = []
        for await piece in reader.pieces { bytes += piece.utf8 }
        let events = try events(bytes).compactMap(\.self)
        #expect(text(events) == "You asked: \(words)" && events.last == "[DONE]")
    }

    @Test func silence_isFilledWithComments() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let client = try await TestClient(models: ["fake": pipeline], heartbeatSeconds: 0.05)
        let reader = try Reader(try await response(client, body("why")))
        var bytes: [UInt8] = []
        for await piece in reader.pieces {
            bytes += piece.utf8
            if piece.hasPrefix(":") { pipeline.gate.open() }
        }
        #expect(try events(bytes).contains(JSONValue?.none))
        #expect(text(try events(bytes).compactMap(\.self)) == "You asked: why")
    }

    @Test(arguments: [(false, "server_stopped"), (true, "server_stopping")])
    func stoppingServer_endsTheStreamWithAnError(hasKey: Bool, code: String) async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let client = try await TestClient(models: ["fake": pipeline])
        let fields: HTTPFields = hasKey ? [.idempotencyKey: "k"] : [:]
        let reader = try Reader(try await response(client, body("why"), fields: fields))
        var pieces = reader.pieces.makeAsyncIterator()
        var bytes = Array(try #require(await pieces.next()).utf8)
        let stopping = Task { await client.server.jobs.shutdown(within: 100) }
        while client.server.jobs.isAccepting { await Task.yield() }
        pipeline.gate.open()
        await stopping.value
        while let piece = await pieces.next() { bytes += piece.utf8 }
        #expect(try events(bytes).last??["error"]?["code"]?.stringValue == code)
    }
}
