import HTTPMessages
import HTTPTransport
import HTTPTypes
import Synchronization

/// Runs `body` against a server on any free port of 127.0.0.1, and shuts the server down.
func withServer(
    _ adjust: (inout HTTPServerSettings) -> Void = { _ in },
    handler: @escaping @Sendable (Request) async -> Response = echo,
    _ body: (HTTPServer, SocketAddress) async throws -> Void
) async throws {
    var settings = HTTPServerSettings(address: .tcp(host: "127.0.0.1", port: 0))
    // Tests of numerics run beside these on the same cores; only tests of the timeouts themselves may run into one.
    settings.limits.headerSeconds = 300
    settings.limits.idleSeconds = 300
    adjust(&settings)
    let server = HTTPServer(settings, handler: handler)
    let address = try server.start()
    let result: Result<Void, any Error>
    do { result = .success(try await body(server, address)) } catch { result = .failure(error) }
    await server.shutdown(within: 0)
    try result.get()
}

/// Answers with the path, or with the body if there is one.
@Sendable func echo(_ request: Request) async -> Response {
    Response(.ok, body: request.body.isEmpty ? Array(request.path.utf8) : request.body)
}

func get(_ path: String, _ lines: String = "") -> String {
    "GET \(path) HTTP/1.1\r\nHost: a\r\n\(lines)\r\n"
}

/// Something that happens once and is waited for, at most half a minute.
final class Signal: Sendable {
    private let happened = Mutex(false)

    func fire() { happened.withLock { $0 = true } }
    var isFired: Bool { happened.withLock(\.self) }

    /// - Returns: whether it happened.
    func wait() async -> Bool {
        for _ in 0..<3000 {
            if isFired { return true }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return isFired
    }
}

/// Waits until the task is cancelled, at most half a minute.
func waitForCancellation() async {
    try? await Task.sleep(for: .seconds(30))
}
