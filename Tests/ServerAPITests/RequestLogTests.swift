import HTTPMessages
import HTTPTypes
import Logging
import Synchronization
import Testing

@Suite struct RequestLogTests {
    @Test func request_isOneLineWithoutItsPrompt() async throws {
        let log = CapturedLog()
        let client = try await TestClient(logger: Logger(label: "test") { _ in log })
        let reply = try await client.post(
            "/v1/answers?x=1",
            #"{"question": "secret words", "max_tokens": 2}"#,
            fields: [.xRequestID: "r-1"]
        )
        let lines = log.lines.filter { $0.message == "request" }
        #expect(lines.count == 1)
        let metadata = try #require(lines.first?.metadata)
        #expect(metadata["method"] == "POST" && metadata["path"] == "/v1/answers" && metadata["status"] == "200")
        #expect(metadata["request"] == "r-1" && metadata["model"] == "fake")
        #expect(metadata["job"].map { "\($0)" } == reply.fields[.jobID])
        #expect(metadata["ms"] != nil)
        #expect(!"\(log.lines)".contains("secret"))
    }
}

/// Keeps what is logged at info level and above.
private final class CapturedLog: LogHandler {
    struct Line {
        let message: String
        let metadata: Logger.Metadata
    }

    private let captured = Mutex<[Line]>([])

    var lines: [Line] { captured.withLock(\.self) }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .info }
        set {}
    }
    subscript(metadataKey _: String) -> Logger.MetadataValue? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        captured.withLock { $0.append(Line(message: "\(event.message)", metadata: event.metadata ?? [:])) }
    }
}
