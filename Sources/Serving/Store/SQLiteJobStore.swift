package import Foundation
import GRDB
package import Pipelines
import Synchronization

/// Jobs in one SQLite file: a job's result becomes visible, and its request disappears, in one transaction.
///
/// Pictures are blobs of the same file, so no crash can leave a job without its pictures or pictures without a job.
package final class SQLiteJobStore: JobStore {
    private let database: DatabaseQueue
    private let isClosed = Mutex(false)

    /// Opens the database at `path`, creating it and its folder where they are missing.
    ///
    /// The file stays locked: a second server on it would take this one's unfinished jobs for interrupted ones.
    /// - Throws: `JobStoreError.unusable` when the file is no job database, can't be written, or is in use.
    package init(path: URL) throws(JobStoreError) {
        var configuration = Configuration()
        configuration.journalMode = .wal
        configuration.label = "triptych.jobs"
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA locking_mode = EXCLUSIVE; PRAGMA auto_vacuum = INCREMENTAL")
        }
        do {
            try FileManager.default.createDirectory(
                at: path.deletingLastPathComponent(),
                withIntermediateDirectories: true
            )
            if !FileManager.default.fileExists(atPath: path.path) {
                // Prompts and pictures are nobody else's business; SQLite gives its other files the same permissions.
                // Where this fails, opening the file says why.
                _ = FileManager.default.createFile(
                    atPath: path.path,
                    contents: nil,
                    attributes: [.posixPermissions: 0o600]
                )
            }
            database = try DatabaseQueue(path: path.path, configuration: configuration)
            // A job that was promised survives a power failure too. GRDB sets NORMAL when it opens a file in WAL mode.
            try database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            try JobSchema.migrator.migrate(database)
            guard try database.read({ try JobSchema.migrator.hasBeenSuperseded($0) }) == false else {
                throw JobStoreError.unusable(path: path.path, reason: "it was written by a newer version")
            }
            // Touches the file, so that one that can't be written is noticed now and not with the first job.
            try database.write { try $0.execute(sql: "UPDATE jobs SET bytes = bytes WHERE sequence < 0") }
            try database.writeWithoutTransaction { try $0.execute(sql: "BEGIN IMMEDIATE; COMMIT") }
        } catch let error as JobStoreError {
            throw error
        } catch {
            throw .unusable(path: path.path, reason: Self.reason(error))
        }
    }

    private static func reason(_ error: any Error) -> String {
        guard let error = error as? DatabaseError else { return error.localizedDescription }
        return switch error.resultCode {
        case .SQLITE_NOTADB, .SQLITE_CORRUPT: "it is damaged or no SQLite database"
        case .SQLITE_BUSY, .SQLITE_LOCKED: "another process uses it; give each server its own jobs.path"
        case .SQLITE_READONLY, .SQLITE_PERM: "it can't be written"
        case .SQLITE_CANTOPEN: "it can't be opened or created"
        default: error.message ?? error.resultCode.description
        }
    }

    package func close() throws {
        isClosed.withLock { $0 = true }
        try database.close()
    }

    /// Runs `body` in a transaction that is kept only if `body` does not throw.
    /// - Throws: what `body` throws; `JobStoreError.failed` for errors of the database.
    func write<Value>(inTransaction: Bool = true, _ body: (Database) throws -> Value) throws -> Value {
        try checkIsOpen()
        do {
            return inTransaction ? try database.write(body) : try database.writeWithoutTransaction(body)
        } catch let error as DatabaseError {
            throw JobStoreError.failed(reason: Self.reason(error))
        }
    }

    private func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
        try checkIsOpen()
        do {
            return try database.read(body)
        } catch let error as DatabaseError {
            throw JobStoreError.failed(reason: Self.reason(error))
        }
    }

    /// A closed `DatabaseQueue` must not be touched: it dereferences its connection unchecked.
    private func checkIsOpen() throws {
        if isClosed.withLock(\.self) { throw JobStoreError.failed(reason: "it has been closed") }
    }

    // MARK: Writing

    package func insert(_ job: Job, request: RunRequest?) throws {
        try write { database in
            if let key = job.idempotency?.key, let existing = try Self.job(keyed: key, in: database) {
                throw JobStoreError.keyInUse(existing)
            }
            try database.execute(
                sql: "INSERT INTO jobs (id, status, idempotencyKey, document) VALUES (?, ?, ?, ?)",
                arguments: [
                    job.id.rawValue, job.status.rawValue, job.idempotency?.key, try JobArchive.document(job),
                ]
            )
            if let request {
                try database.execute(
                    sql: "INSERT INTO runs (job, request) VALUES (?, ?)",
                    arguments: [database.lastInsertedRowID, try JobArchive.archive(request)]
                )
            }
        }
    }

    package func update(_ job: Job) throws {
        try write { _ = try Self.updateUnfinished(job, in: $0) }
    }

    package func keep(_ job: Job, request: RunRequest?, state: Data?) throws {
        try write { database in
            guard try Self.updateUnfinished(job, in: database) else { return }
            if let request {
                try database.execute(
                    sql: "INSERT OR REPLACE INTO runs (job, request) SELECT sequence, ? FROM jobs WHERE id = ?",
                    arguments: [try JobArchive.archive(request), job.id.rawValue]
                )
            }
            try database.execute(
                sql: """
                    UPDATE runs SET state = COALESCE(?, state), deaths = 0
                    WHERE job = (SELECT sequence FROM jobs WHERE id = ?)
                    """,
                arguments: [state, job.id.rawValue]
            )
        }
    }

    /// - Returns: whether the job is there and has not finished.
    private static func updateUnfinished(_ job: Job, in database: Database) throws -> Bool {
        let sql = "SELECT status FROM jobs WHERE id = ?"
        let status = try String.fetchOne(database, sql: sql, arguments: [job.id.rawValue])
        guard let status = status.flatMap(Job.Status.init(rawValue:)), !status.isFinished else { return false }
        try overwrite(job, in: database)
        return true
    }

    package func finish(_ job: Job, pictures: [Data]) throws {
        try write { try Self.finish(job, pictures: pictures, in: $0) }
    }

    static func finish(_ job: Job, pictures: [Data], in database: Database) throws {
        guard let sequence = try sequence(of: job.id, in: database) else { return }  // deleted meanwhile
        for (position, bytes) in pictures.enumerated() {
            try database.execute(
                sql: "INSERT INTO pictures (job, position, bytes) VALUES (?, ?, ?)",
                arguments: [sequence, position, bytes]
            )
        }
        try database.execute(sql: "DELETE FROM runs WHERE job = ?", arguments: [sequence])
        try overwrite(job, pictureBytes: pictures.reduce(0) { $0 + $1.count }, in: database)
    }

    static func overwrite(_ job: Job, pictureBytes: Int = 0, in database: Database) throws {
        let document = try JobArchive.document(job)
        try database.execute(
            sql: """
                UPDATE jobs SET status = ?, idempotencyKey = ?, completedAt = ?, expiresAt = ?, bytes = ?, document = ?
                WHERE id = ?
                """,
            arguments: [
                job.status.rawValue, job.status == .expired ? nil : job.idempotency?.key,
                job.completedAt?.timeIntervalSince1970, job.expiresAt?.timeIntervalSince1970,
                pictureBytes + document.utf8.count, document, job.id.rawValue,
            ]
        )
    }

    package func delete(_ id: JobID) throws -> Bool {
        try write { database in
            try database.execute(sql: "DELETE FROM jobs WHERE id = ?", arguments: [id.rawValue])
            return database.changesCount > 0
        }
    }

    // MARK: Reading

    package func job(_ id: JobID) throws -> Job? {
        try read { database in
            let sql = "SELECT id, document FROM jobs WHERE id = ?"
            return try Row.fetchOne(database, sql: sql, arguments: [id.rawValue]).map(JobArchive.job)
        }
    }

    package func job(keyed key: String) throws -> Job? {
        try read { try Self.job(keyed: key, in: $0) }
    }

    private static func job(keyed key: String, in database: Database) throws -> Job? {
        let sql = "SELECT id, document FROM jobs WHERE idempotencyKey = ?"
        return try Row.fetchOne(database, sql: sql, arguments: [key]).map(JobArchive.job)
    }

    private static func sequence(of id: JobID, in database: Database) throws -> Int64? {
        try Int64.fetchOne(database, sql: "SELECT sequence FROM jobs WHERE id = ?", arguments: [id.rawValue])
    }

    package func pictures(of id: JobID) throws -> [Data] {
        try read { database in
            try Data.fetchAll(
                database,
                sql: """
                    SELECT bytes FROM pictures WHERE job = (SELECT sequence FROM jobs WHERE id = ?) ORDER BY position
                    """,
                arguments: [id.rawValue]
            )
        }
    }

    package func picture(of id: JobID, at index: Int) throws -> Data? {
        try read { database in
            try Data.fetchOne(
                database,
                sql: """
                    SELECT bytes FROM pictures WHERE job = (SELECT sequence FROM jobs WHERE id = ?) AND position = ?
                    """,
                arguments: [id.rawValue, index]
            )
        }
    }

    package func jobs(_ query: JobQuery) throws -> JobPage {
        try read { database in
            var before = Int64.max
            if let after = query.after {
                guard let sequence = try Self.sequence(of: after, in: database) else {
                    throw JobStoreError.unknownJob(after)
                }
                before = sequence
            }
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT id, document FROM jobs WHERE sequence < ? AND (? IS NULL OR status = ?)
                    ORDER BY sequence DESC LIMIT ?
                    """,
                // One more than asked for tells whether there are more.
                arguments: [before, query.status?.rawValue, query.status?.rawValue, query.limit + 1]
            )
            // A damaged job can be asked for by its name, which tells what is wrong; it must not hide the others.
            let jobs = rows.prefix(query.limit).compactMap { try? JobArchive.job($0) }
            return JobPage(jobs: jobs, hasMore: rows.count > query.limit)
        }
    }
}
