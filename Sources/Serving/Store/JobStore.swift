package import Foundation
package import Pipelines

/// Where jobs outlive the process.
///
/// Every call blocks until its change would survive the death of the process, so callers keep it away from Swift's
/// cooperative threads and from the engine. Calls come one at a time.
package protocol JobStore: Sendable {
    /// Adds a new job, with the request from which it can be run again if it is durable.
    /// - Throws: `JobStoreError.keyInUse` with the job that has the same idempotency key already.
    func insert(_ job: Job, request: RunRequest?) throws

    /// Overwrites what is known of an unfinished job; one that has finished stays as it is.
    func update(_ job: Job) throws

    /// Keeps what an unfinished job needs to run on after a restart: its request and, where the run had started, the
    /// state between two of its steps. What is nil leaves the stored value as it is; so does a job that has finished.
    func keep(_ job: Job, request: RunRequest?, state: Data?) throws

    /// Ends a job: overwrites it, adds its pictures, and removes its request and state, all or nothing.
    func finish(_ job: Job, pictures: [Data]) throws

    func job(_ id: JobID) throws -> Job?

    /// The job that an idempotency key stands for.
    func job(keyed key: String) throws -> Job?

    /// The pictures of a finished job in order.
    func pictures(of id: JobID) throws -> [Data]

    func picture(of id: JobID, at index: Int) throws -> Data?

    /// Jobs from the newest to the oldest.
    func jobs(_ query: JobQuery) throws -> JobPage

    /// Removes a job and all that belongs to it.
    /// - Returns: whether there was such a job.
    func delete(_ id: JobID) throws -> Bool

    /// After a start: the durable jobs that had not finished, oldest first. The others that had not finished end as
    /// cancelled, with `failure`, and those that the process has died of again and again as failed; both expire at `expiry`.
    func recover(failing failure: JobFailure, at now: Date, expiry: Date) throws -> [InterruptedJob]

    /// Removes results whose time has come by `now`, then the oldest ones beyond `byteLimit` bytes of results in all.
    /// What is left of their jobs, status `expired`, goes too when it is older than `forgetting`.
    func expire(now: Date, byteLimit: Int, forgetting: Date) throws

    /// Releases the files. Every call afterwards throws.
    func close() throws
}

/// A job that a restart interrupted.
package struct InterruptedJob: Sendable {
    package let job: Job
    package let request: RunRequest
    package let state: Data?
}

/// Which jobs to list.
package struct JobQuery: Sendable, Equatable {
    package var status: Job.Status?
    package var limit: Int
    /// List what is older than this job.
    package var after: JobID?

    package init(status: Job.Status? = nil, limit: Int = 20, after: JobID? = nil) {
        self.status = status
        self.limit = limit
        self.after = after
    }
}

/// A part of a list of jobs.
package struct JobPage: Sendable {
    package let jobs: [Job]
    /// Whether older ones follow.
    package let hasMore: Bool
}

/// What a store can't do.
package enum JobStoreError: Error, CustomStringConvertible {
    /// The database at `path` can't be opened or brought up to date.
    case unusable(path: String, reason: String)
    /// The database refused a call: the disk is full, say.
    case failed(reason: String)
    /// Another job has the idempotency key.
    case keyInUse(Job)
    /// `JobQuery.after` names no job.
    case unknownJob(JobID)
    /// A stored job can't be read.
    case damaged(JobID, reason: String)

    package var description: String {
        switch self {
        case .unusable(let path, let reason): "the job database \(path) can't be used: \(reason)"
        case .failed(let reason): "the job database failed: \(reason)"
        case .keyInUse(let job): "the idempotency key belongs to \(job.id)"
        case .unknownJob(let id): "there is no job \(id)"
        case .damaged(let id, let reason): "the stored job \(id) can't be read: \(reason)"
        }
    }
}
