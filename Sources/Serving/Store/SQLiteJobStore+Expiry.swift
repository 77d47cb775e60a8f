package import Foundation
import GRDB
import Pipelines

/// Restart and expiry.
extension SQLiteJobStore {
    /// A run that was going when the process died so often, without a further step in between, is taken for the cause.
    private static let deathLimit = 5

    package func recover(failing failure: JobFailure, at now: Date, expiry: Date) throws -> [InterruptedJob] {
        try write { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT sequence, id, document, request, state, deaths, furthestStep
                    FROM jobs LEFT JOIN runs ON runs.job = jobs.sequence
                    WHERE status IN ('queued', 'in_progress') ORDER BY sequence
                    """
            )
            return try rows.compactMap { row in
                // A job or a request that can't be read any more must not keep the others from running on.
                guard var job = try? JobArchive.job(row) else {
                    try Self.discard(row, now: now, in: database)
                    return nil
                }
                let request = (row["request"] as Data?).flatMap { try? JobArchive.request($0) }
                if job.isDurable, let request {
                    let deaths = try Self.countDeath(of: job, row, in: database)
                    if deaths < Self.deathLimit {
                        job.status = .queued
                        return InterruptedJob(job: job, request: request, state: row["state"])
                    }
                    job.status = .failed
                    job.failure = JobFailure(.runFailed, "The server died \(deaths) times while the job ran.")
                } else {
                    job.status = .cancelled
                    job.failure = failure
                }
                job.completedAt = now
                job.expiresAt = expiry
                try Self.finish(job, pictures: [], in: database)
                return nil
            }
        }
    }

    /// Counts how often the process has died while a job ran, without getting further than ever before. A process that
    /// stops in good order sets the count to 0 (`keep`).
    private static func countDeath(of job: Job, _ row: Row, in database: Database) throws -> Int {
        guard job.status == .inProgress else { return 0 }
        let step = job.progress?.step ?? 0
        let furthest: Int = row["furthestStep"]
        let deaths: Int = step > furthest ? 1 : row["deaths"] + 1
        try database.execute(
            sql: "UPDATE runs SET deaths = ?, furthestStep = ? WHERE job = ?",
            arguments: [deaths, max(step, furthest), row["sequence"] as Int64]
        )
        return deaths
    }

    package func expire(now: Date, byteLimit: Int, forgetting: Date) throws {
        try write { database in
            try database.execute(
                sql: "DELETE FROM jobs WHERE status = 'expired' AND expiresAt < ?",
                arguments: [forgetting.timeIntervalSince1970]
            )
            let due = try Row.fetchAll(
                database,
                sql: "SELECT sequence, id, document FROM jobs WHERE status <> 'expired' AND expiresAt <= ?",
                arguments: [now.timeIntervalSince1970]
            )
            for row in due { try Self.expire(row, now: now, in: database) }

            var total =
                try Int.fetchOne(
                    database,
                    sql: "SELECT SUM(bytes) FROM jobs WHERE expiresAt IS NOT NULL AND status <> 'expired'"
                )
                ?? 0
            let oldest = try Row.fetchCursor(
                database,
                sql: """
                    SELECT sequence, id, document, bytes FROM jobs WHERE expiresAt IS NOT NULL AND status <> 'expired'
                    ORDER BY completedAt, sequence
                    """
            )
            var surplus: [Row] = []
            while total > byteLimit, let row = try oldest.next() {
                surplus.append(row.copy())
                total -= row["bytes"] as Int
            }
            for row in surplus { try Self.expire(row, now: now, in: database) }
        }
        // Gives the pages of removed results back to the file system.
        try write(inTransaction: false) { try $0.execute(sql: "PRAGMA incremental_vacuum") }
    }

    /// Leaves of a finished job that it existed and when it ended.
    private static func expire(_ row: Row, now: Date, in database: Database) throws {
        guard var job = try? JobArchive.job(row) else { return try discard(row, now: now, in: database) }
        job.expire()
        job.expiresAt = min(job.expiresAt ?? now, now)
        try remove("pictures", of: row, in: database)
        try overwrite(job, in: database)
    }

    /// Lets a job that can't be read expire; what is left of it still tells why, until it is forgotten.
    private static func discard(_ row: Row, now: Date, in database: Database) throws {
        for table in ["pictures", "runs"] { try remove(table, of: row, in: database) }
        try database.execute(
            sql:
                "UPDATE jobs SET status = 'expired', idempotencyKey = NULL, expiresAt = ?, bytes = 0 WHERE sequence = ?",
            arguments: [now.timeIntervalSince1970, row["sequence"] as Int64]
        )
    }

    /// Removes what a table holds of a job.
    private static func remove(_ table: String, of row: Row, in database: Database) throws {
        try database.execute(sql: "DELETE FROM \(table) WHERE job = ?", arguments: [row["sequence"] as Int64])
    }
}
