import Foundation
import HTTPClient

/// A running Triptych server, for commands that let it do the work.
struct RemoteServer: Sendable {
    /// Where a server listens that nobody has configured.
    static let usual = "http://127.0.0.1:8080"

    private let url: URL
    /// No request waits for a computation: jobs are submitted and then polled.
    private let client = HTTPClient(silentSeconds: 60)

    /// - Throws: `CommandFailure` if `text` is no address of a server.
    init(_ text: String) throws {
        guard let url = URL(string: text), ["http", "https"].contains(url.scheme), url.host() != nil else {
            throw CommandFailure("--server \(text): not an address such as \(Self.usual)")
        }
        self.url = url
    }

    /// - Throws: `CommandFailure` with the server's own message where it refuses.
    func get(_ path: String, query: [URLQueryItem] = []) async throws -> Data {
        let target = url.appending(path: path)
        return try await send(.init("GET", query.isEmpty ? target : target.appending(queryItems: query)))
    }

    /// - Throws: `CommandFailure` with the server's own message where it refuses.
    func post(_ path: String, _ body: some Encodable = [String: String](), prefer: String? = nil) async throws -> Data {
        var fields = ["Content-Type": "application/json"]
        fields["Prefer"] = prefer
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        return try await send(.init("POST", url.appending(path: path), fields: fields, body: encoder.encode(body)))
    }

    /// A reply's JSON as a value.
    func decode<Value: Decodable>(_ type: Value.Type = Value.self, _ body: Data) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            return try decoder.decode(type, from: body)
        } catch {
            throw CommandFailure("\(url.absoluteString) answered something else than a Triptych server does: \(error)")
        }
    }

    private func send(_ request: HTTPClient.Request) async throws -> Data {
        let reply: HTTPClient.Reply
        do {
            reply = try await client.send(request)
        } catch let error as URLError {
            throw CommandFailure("\(url.absoluteString) can't be reached: \(error.localizedDescription)")
        }
        guard (200..<300).contains(reply.status) else {
            let refusal = try? decode(Refusal.self, reply.body)
            throw CommandFailure(refusal?.error.text ?? "\(url.absoluteString) answered with status \(reply.status)")
        }
        return reply.body
    }

    private struct Refusal: Decodable {
        var error: RemoteError
    }
}

/// OpenAI's error object.
struct RemoteError: Decodable {
    var message: String
    var param: String?

    var text: String { param.map { "\($0): \(message)" } ?? message }
}
