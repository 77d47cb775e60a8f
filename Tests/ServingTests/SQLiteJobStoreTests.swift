import Foundation
import GRDB
import Images
import Pipelines
import ServingFakes
import Testing

@testable import Serving

@Suite struct SQLiteJobStoreTests {
    private let folder: TemporaryFolder
    private let start = Date(timeIntervalSince1970: 1_800_000_000)
    private let request = RunRequest.generation(
        GenerationRequest(
            prompt: "a cat",
            images: [PixelImage(width: 2, height: 1, pixels: [1, 2, 3, 4, 5, 6])],
            seed: 7
        )
    )

    init() throws {
        folder = try TemporaryFolder()
    }

    private func open() throws -> SQLiteJobStore {
        try SQLiteJobStore(path: folder.url.appending(path: "state/jobs.sqlite"))
    }

    private func job(key: String? = nil, durable: Bool = false) -> Job {
        Job(
            id: .random(),
            kind: .generation,
            model: "m",
            createdAt: start,
            deadline: nil,
            isDurable: durable,
            idempotency: key.map { IdempotencyKey(key: $0, fingerprint: "f") },
            delivery: PictureDelivery(format: .png, quality: 100, form: .base64),
            requestSummary: "{}"
        )
    }

    private func finish(_ job: Job, after seconds: Double, keep: Double = 3600, pictures: [Data] = []) -> Job {
        var job = job
        job.status = .completed
        job.result = .pictures(
            pictures.map { _ in PictureRecord(seed: .max, width: 2, height: 1) },
            usage: TokenUsage(inputTokens: 1, outputTokens: 2)
        )
        job.completedAt = start + seconds
        job.expiresAt = start + seconds + keep
        return job
    }

    @Test func finishedJob_isReadBackWithItsPictures() throws {
        let store = try open()
        let job = job()
        let pictures = [Data([1, 2]), Data([3])]
        try store.insert(job, request: nil)
        let finished = finish(job, after: 1, pictures: pictures)
        try store.finish(finished, pictures: pictures)
        #expect(try store.job(job.id) == finished)
        #expect(try store.pictures(of: job.id) == pictures)
        #expect(try store.picture(of: job.id, at: 1) == pictures[1])
        #expect(try store.picture(of: job.id, at: 2) == nil)
        #expect(try store.job(.random()) == nil)
    }

    @Test func idempotencyKey_belongsToOneJob() throws {
        let store = try open()
        let first = job(key: "k")
        try store.insert(first, request: nil)
        #expect(try store.job(keyed: "k") == first)
        #expect {
            try store.insert(job(key: "k"), request: nil)
        } throws: { error in
            if case JobStoreError.keyInUse(let existing) = error { existing.id == first.id } else { false }
        }
        try store.insert(job(), request: nil)
        try store.insert(job(), request: nil)
    }

    @Test func reopenedStore_handsOverDurableJobsAndCancelsOthers() throws {
        let (durable, transient) = (job(durable: true), job())
        do {
            let store = try open()
            try store.insert(durable, request: request)
            try store.insert(transient, request: nil)
            try store.keep(durable, request: nil, state: Data([9]))
            try store.close()
        }
        let store = try open()
        let failure = JobFailure(.serverStopped, "gone")
        let interrupted = try store.recover(failing: failure, at: start + 5, expiry: start + 50)
        #expect(interrupted.map(\.job.id) == [durable.id])
        #expect(interrupted.first?.request == request)
        #expect(interrupted.first?.state == Data([9]))
        let cancelled = try #require(try store.job(transient.id))
        #expect(cancelled.status == .cancelled)
        #expect(cancelled.failure == failure)
        #expect(cancelled.completedAt == start + 5)
    }

    @Test func runThatKillsItsProcess_failsInTheEnd() throws {
        let store = try open()
        var (deadly, slow, waiting) = (job(durable: true), job(durable: true), job(durable: true))
        for job in [deadly, slow, waiting] { try store.insert(job, request: request) }
        let failure = JobFailure(.serverStopped, "gone")
        func recovered() throws -> [JobID] {
            try store.recover(failing: failure, at: start + 5, expiry: start + 50).map(\.job.id)
        }
        deadly.status = .inProgress
        slow.status = .inProgress
        for death in 1...4 {
            slow.progress = RunProgress(stage: .denoise, step: death, steps: 100)
            for job in [deadly, slow] { try store.update(job) }
            #expect(try recovered() == [deadly.id, slow.id, waiting.id])
        }
        // What a process leaves that stops in good order does not count.
        try store.keep(deadly, request: nil, state: nil)
        for death in 5...8 {
            slow.progress = RunProgress(stage: .denoise, step: death, steps: 100)
            try store.update(slow)
            #expect(try recovered() == [deadly.id, slow.id, waiting.id])
        }
        #expect(try recovered() == [slow.id, waiting.id])
        let failed = try #require(try store.job(deadly.id))
        #expect(failed.status == .failed && failed.failure?.reason == .runFailed)
        #expect(failed.completedAt == start + 5 && failed.expiresAt == start + 50)
    }

    @Test func damagedJob_hidesNoOther() throws {
        let store = try open()
        let (unfinished, finished, good) = (job(key: "k", durable: true), job(), job(durable: true))
        for job in [unfinished, finished, good] { try store.insert(job, request: request) }
        try store.finish(finish(finished, after: 1, pictures: [Data([1])]), pictures: [Data([1])])
        try store.write { database in
            try database.execute(
                sql: "UPDATE jobs SET document = '{}' WHERE id IN (?, ?)",
                arguments: [unfinished.id.rawValue, finished.id.rawValue]
            )
        }
        #expect(try store.jobs(JobQuery()).jobs.map(\.id) == [good.id])
        let failure = JobFailure(.serverStopped, "gone")
        #expect(try store.recover(failing: failure, at: start, expiry: start).map(\.job.id) == [good.id])
        #expect(try store.recover(failing: failure, at: start, expiry: start).map(\.job.id) == [good.id])
        try store.insert(job(key: "k"), request: nil)
        try store.expire(now: start + 7200, byteLimit: .max, forgetting: start)
        #expect(try store.picture(of: finished.id, at: 0) == nil)
        #expect { _ = try store.job(finished.id) } throws: { "\($0)".contains(finished.id.rawValue) }
        try store.expire(now: start + 7201, byteLimit: .max, forgetting: start + 7201)
        #expect(try store.job(finished.id) == nil && store.job(unfinished.id) == nil)
    }

    @Test func commits_surviveAPowerFailure() throws {
        let store = try open()
        let level = try store.write { try Int.fetchOne($0, sql: "PRAGMA synchronous") }
        #expect(level == 2)
    }

    @Test func finishedJob_leavesNothingToRecover() throws {
        let store = try open()
        let job = job(durable: true)
        try store.insert(job, request: request)
        try store.finish(finish(job, after: 1), pictures: [])
        #expect(try store.recover(failing: JobFailure(.cancelled, ""), at: start, expiry: start).isEmpty)
        #expect(try store.job(job.id)?.status == .completed)
    }

    @Test func finishedJob_isNotOverwrittenByLateProgress() throws {
        let store = try open()
        let job = job(durable: true)
        try store.insert(job, request: request)
        let finished = finish(job, after: 1)
        try store.finish(finished, pictures: [])
        try store.update(job)
        try store.keep(job, request: request, state: Data([1]))
        #expect(try store.job(job.id) == finished)
        #expect(try store.recover(failing: JobFailure(.cancelled, ""), at: start, expiry: start).isEmpty)
    }

    @Test func list_goesFromTheNewestToTheOldest() throws {
        let store = try open()
        let jobs = (0..<5).map { _ in job() }
        for job in jobs { try store.insert(job, request: nil) }
        try store.finish(finish(jobs[1], after: 1), pictures: [])
        let first = try store.jobs(JobQuery(limit: 2))
        #expect(first.jobs.map(\.id) == [jobs[4].id, jobs[3].id])
        #expect(first.hasMore)
        let rest = try store.jobs(JobQuery(limit: 3, after: jobs[3].id))
        #expect(rest.jobs.map(\.id) == [jobs[2].id, jobs[1].id, jobs[0].id])
        #expect(!rest.hasMore)
        #expect(try store.jobs(JobQuery(status: .completed)).jobs.map(\.id) == [jobs[1].id])
        #expect(throws: JobStoreError.self) { try store.jobs(JobQuery(after: .random())) }
    }

    @Test func expiry_removesWhatIsDue() throws {
        let store = try open()
        let (old, new) = (job(key: "k"), job())
        for job in [old, new] { try store.insert(job, request: nil) }
        try store.finish(finish(old, after: 0, keep: 10, pictures: [Data([1])]), pictures: [Data([1])])
        try store.finish(finish(new, after: 5, keep: 10), pictures: [])
        try store.expire(now: start + 12, byteLimit: .max, forgetting: .distantPast)
        let expired = try #require(try store.job(old.id))
        #expect(expired.status == .expired)
        #expect(expired.result == nil && expired.requestSummary == nil)
        #expect(try store.pictures(of: old.id).isEmpty)
        #expect(try store.job(keyed: "k") == nil)
        #expect(try store.job(new.id)?.status == .completed)
        try store.expire(now: start + 12, byteLimit: .max, forgetting: start + 11)
        #expect(try store.job(old.id) == nil)
    }

    @Test func byteLimit_removesTheOldestResultsFirst() throws {
        let store = try open()
        let jobs = (0..<3).map { _ in job() }
        let picture = Data(count: 100_000)
        for (index, job) in jobs.enumerated() {
            try store.insert(job, request: nil)
            try store.finish(finish(job, after: Double(index), pictures: [picture]), pictures: [picture])
        }
        try store.expire(now: start, byteLimit: 250_000, forgetting: .distantPast)
        #expect(try jobs.map { try store.job($0.id)?.status } == [.expired, .completed, .completed])
        try store.expire(now: start, byteLimit: 0, forgetting: .distantPast)
        #expect(try jobs.map { try store.job($0.id)?.status } == [.expired, .expired, .expired])
    }

    @Test func deletedJob_leavesNothing() throws {
        let store = try open()
        let job = job(durable: true)
        try store.insert(job, request: request)
        #expect(try store.delete(job.id))
        #expect(try !store.delete(job.id))
        try store.finish(finish(job, after: 1, pictures: [Data([1])]), pictures: [Data([1])])
        #expect(try store.job(job.id) == nil)
    }

    @Test func fileThatIsNoDatabase_isAnErrorNamingIt() throws {
        let path = folder.url.appending(path: "jobs.sqlite")
        try Data(repeating: 0x41, count: 8192).write(to: path)
        #expect {
            _ = try SQLiteJobStore(path: path)
        } throws: { error in
            "\(error)".contains(path.path) && "\(error)".contains("damaged")
        }
    }

    @Test func folderThatCannotBeMade_isAnErrorNamingThePath() throws {
        let file = folder.url.appending(path: "file")
        try Data().write(to: file)
        let path = file.appending(path: "jobs.sqlite")
        #expect { _ = try SQLiteJobStore(path: path) } throws: { "\($0)".contains(path.path) }
    }

    @Test func closedDatabase_refusesCallsWithAReason() throws {
        let store = try open()
        try store.close()
        #expect {
            _ = try store.job(.random())
        } throws: { error in
            if case JobStoreError.failed = error { true } else { false }
        }
    }

    @Test func newDatabase_isReadableByItsOwnerOnly() throws {
        let store = try open()
        let path = folder.url.appending(path: "state/jobs.sqlite").path
        let permissions = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber
        #expect(permissions == 0o600)
        try store.close()
    }

    @Test func databaseInUse_isAnError() throws {
        let first = try open()
        #expect { _ = try open() } throws: { "\($0)".contains("another process") }
        #expect(try first.job(.random()) == nil)
    }
}
