package import Foundation
import GRDB
import Pipelines

/// Restart and expiry.
extension SQLiteJobStore {
    package func recover(failing failure: JobFailure, at now: Date, expiry: Date) throws -> [InterruptedJob] {
        try write { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT id, document, request, state FROM jobs LEFT JOIN runs ON runs.job = jobs.sequence
                    WHERE status IN ('queued', 'in_progress') ORDER BY sequence
                    """
            )
            return try rows.compactMap { row in
                var job = try JobArchive.job(row)
                // A request that can't be read any more must not keep the others from running on.
                let request = (row["request"] as Data?).flatMap { try? JobArchive.request($0) }
                if job.isDurable, let request {
                    job.status = .queued
                    return InterruptedJob(job: job, request: request, state: row["state"])
                }
                job.status = .cancelled
                job.failure = failure
                job.completedAt = now
                job.expiresAt = expiry
                try Self.finish(job, pictures: [], in: database)
                return nil
            }
        }
    }

    package func expire(now: Date, byteLimit: Int, forgetting: Date) throws {
        try write { database in
            try database.execute(
                sql: "DELETE FROM jobs WHERE status = 'expired' AND expiresAt < ?",
                arguments: [forgetting.timeIntervalSince1970]
            )
            let due = try Row.fetchAll(
                database,
                sql: "SELECT id, document FROM jobs WHERE status <> 'expired' AND expiresAt <= ?",
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
                    SELECT id, document, bytes FROM jobs WHERE expiresAt IS NOT NULL AND status <> 'expired'
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
        var job = try JobArchive.job(row)
        job.expire()
        job.expiresAt = min(job.expiresAt ?? now, now)
        try database.execute(
            sql: "DELETE FROM pictures WHERE job = (SELECT sequence FROM jobs WHERE id = ?)",
            arguments: [job.id.rawValue]
        )
        try overwrite(job, in: database)
    }
}
