import Foundation
import FoundationNetworking
import GoldenData
import Testing

/// `triptych serve` as a process, with one golden model named `golden`, on a port of its own.
final class ServerProgram {
    let process = Process()
    let url: URL

    init(in folder: URL, model: String = "llamafusion") throws {
        let config = folder.appending(path: "triptych.yaml"), log = folder.appending(path: "log")
        let path = GoldenData.folder.appending(path: "\(model)/checkpoint").path
        try Data(
            """
            server: {port: 0}
            jobs: {path: jobs.sqlite}
            models: [{name: golden, family: llamafusion, path: "\(path)"}]
            """.utf8
        ).write(to: config)
        try Data().write(to: log)
        process.executableURL = try CommandLineProgram.executable()
        process.arguments = ["serve", "--config", config.path]
        process.standardError = try FileHandle(forWritingTo: log)
        process.standardInput = FileHandle.nullDevice
        try process.run()
        url = try Self.address(in: log, of: process)
    }

    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    /// Waits for the line that says where the server listens.
    private static func address(in log: URL, of process: Process) throws -> URL {
        for _ in 0..<600 where process.isRunning {
            let text = try String(contentsOf: log, encoding: .utf8)
            if let match = text.firstMatch(of: /on (http:\/\/[0-9.:]+)\./) {
                return try #require(URL(string: String(match.1)))
            }
            usleep(100_000)
        }
        throw ServerFailure(description: try String(contentsOf: log, encoding: .utf8))
    }

    func ends(with signal: Int32) -> Int32 {
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        return process.terminationStatus
    }

    func send(
        _ method: String,
        _ path: String,
        _ body: [String: any Sendable]? = nil,
        prefer: String? = nil
    ) async throws -> (status: Int, data: Data) {
        var request = URLRequest(url: try #require(URL(string: path, relativeTo: url)))
        request.httpMethod = method
        if let body {
            request.httpBody = try JSONSerialization.data(withJSONObject: body)
            request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        }
        if let prefer { request.setValue(prefer, forHTTPHeaderField: "Prefer") }
        let (data, response) = try await URLSession.shared.data(for: request)
        return (try #require(response as? HTTPURLResponse).statusCode, data)
    }

    func json(_ data: Data) throws -> [String: any Sendable] {
        try #require(JSONSerialization.jsonObject(with: data) as? [String: any Sendable])
    }

    /// Polls a job until it has finished.
    func finished(_ id: String) async throws -> [String: any Sendable] {
        for _ in 0..<600 {
            let job = try json(await send("GET", "/v1/jobs/\(id)").data)
            let status = try #require(job["status"] as? String)
            if status != "queued", status != "in_progress" { return job }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw ServerFailure(description: "job \(id) does not finish")
    }
}

private struct ServerFailure: Error {
    var description: String
}
