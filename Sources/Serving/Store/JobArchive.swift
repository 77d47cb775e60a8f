import Foundation
import GRDB
import Pipelines

/// How jobs and requests are written into the database.
enum JobArchive {
    /// JSON, so that people and later versions can read it.
    static func document(_ job: Job) throws -> String {
        String(decoding: try JSONEncoder().encode(job), as: UTF8.self)
    }

    /// Reads the columns `id` and `document`.
    static func job(_ row: Row) throws -> Job {
        do {
            return try JSONDecoder().decode(Job.self, from: Data((row["document"] as String).utf8))
        } catch {
            throw JobStoreError.damaged(JobID(rawValue: row["id"]), reason: "\(error)")
        }
    }

    /// A binary property list, because pictures are in it.
    static func archive(_ request: RunRequest) throws -> Data {
        let encoder = PropertyListEncoder()
        encoder.outputFormat = .binary
        return try encoder.encode(request)
    }

    static func request(_ data: Data) throws -> RunRequest {
        try PropertyListDecoder().decode(RunRequest.self, from: data)
    }
}
