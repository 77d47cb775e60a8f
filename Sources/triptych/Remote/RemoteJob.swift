import Foundation
import Pipelines

/// A job of a server, as `GET /v1/jobs/{id}` shows it.
struct RemoteJob: Decodable {
    var id: String
    var kind: String
    var model: String
    var status: String
    var progress: Double
    var step: Int
    var steps: Int
    var stage: String?
    var createdAt: Int
    var error: RemoteError?

    var isFinished: Bool { !["queued", "in_progress"].contains(status) }

    static func path(_ id: String) -> String { "/v1/jobs/\(id)" }

    /// One line of `triptych jobs list`.
    var line: String {
        let time = Date(timeIntervalSince1970: Double(createdAt)).formatted(.iso8601)
        let share = status == "in_progress" ? " \(Int(progress * 100)) %" : ""
        return "\(id)  \(time)  \(kind)  \(model)  \(status)\(share)\(error.map { ": " + $0.text } ?? "")"
    }
}

extension RemoteServer {
    /// How often a job is looked at: often enough for a bar to move, seldom enough to cost nothing.
    private static let pollInterval = Duration.milliseconds(200)

    /// Follows a job to its end, with its progress on standard error.
    /// - Returns: the finished job as the server sent it
    /// - Throws: `CommandFailure` if it did not complete
    func followed(_ id: String) async throws -> Data {
        var reporter = ProgressReporter()
        defer { reporter.finish() }
        while true {
            let body = try await get(RemoteJob.path(id))
            let job = try decode(RemoteJob.self, body)
            if job.isFinished {
                guard job.status == "completed" else {
                    throw CommandFailure(job.error?.text ?? "the job \(id) has \(job.status)")
                }
                return body
            }
            reporter.report(stage: job.stage ?? job.status, step: job.step, steps: job.steps)
            try await Task.sleep(for: Self.pollInterval)
        }
    }

    /// Lets the server compute a request and waits for its result. Whoever interrupts the command cancels the job.
    func result<Result: Decodable>(of request: some Encodable & Sendable, at path: String) async throws -> Result {
        let id = try decode(RemoteJob.self, try await post(path, request, prefer: "respond-async")).id
        let body = try await withThrowingTaskGroup(of: Data?.self) { group in
            group.addTask { try await followed(id) }
            group.addTask {
                await StopSignal().wait()
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
        guard let body else {
            _ = try await post(RemoteJob.path(id) + "/cancel")
            throw CommandFailure("interrupted; the job \(id) is cancelled")
        }
        return try decode(Finished<Result>.self, body).result
    }

    private struct Finished<Result: Decodable>: Decodable {
        var result: Result
    }
}
