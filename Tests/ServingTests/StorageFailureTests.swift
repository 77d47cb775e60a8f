import Foundation
import Images
import Pipelines
import Serving
import ServingFakes
import Synchronization
import Testing

@Suite struct StorageFailureTests {
    private let submission = Submission(
        kind: .generation,
        model: nil,
        request: .generation(GenerationRequest(prompt: "x", seed: 1)),
        delivery: PictureDelivery(format: .png, quality: 100, form: .base64),
        isDurable: true
    )

    @Test func jobThatCannotBeStored_isNotAccepted() async throws {
        let fault = StoreFault()
        let server = try FakeServer(wrapping: { FaultyStore(store: $0, fault: fault) })
        try await server.jobs.start()
        fault.set(.everything)
        await #expect(throws: JobStoreError.self) { try await server.jobs.submit(submission) }
        fault.set(.nothing)
        let job = try await server.jobs.submit(submission)
        #expect(try await server.jobs.completion(of: job.id)?.job.status == .completed)
    }

    @Test func resultThatCannotBeStored_failsItsJob() async throws {
        let fault = StoreFault()
        let server = try FakeServer(wrapping: { FaultyStore(store: $0, fault: fault) })
        try await server.jobs.start()
        fault.set(.pictures)
        let job = try await server.jobs.submit(submission)
        let finished = try #require(try await server.jobs.completion(of: job.id))
        #expect(finished.job.status == .failed && finished.job.failure?.reason == .storageFailed)
        #expect(try await server.jobs.view(job.id)?.job.status == .failed)
    }
}

/// What a store refuses to write.
private final class StoreFault: Sendable {
    enum Extent { case nothing, pictures, everything }

    private let extent = Mutex(Extent.nothing)

    func set(_ extent: Extent) { self.extent.withLock { $0 = extent } }

    func check(_ pictures: [Data] = []) throws {
        let extent = extent.withLock(\.self)
        if extent == .everything || extent == .pictures && !pictures.isEmpty {
            throw JobStoreError.failed(reason: "the disk is full")
        }
    }
}

private struct FaultyStore: JobStore {
    let store: SQLiteJobStore
    let fault: StoreFault

    func insert(_ job: Job, request: RunRequest?) throws {
        try fault.check()
        try store.insert(job, request: request)
    }

    func update(_ job: Job) throws {
        try fault.check()
        try store.update(job)
    }

    func keep(_ job: Job, request: RunRequest?, state: Data?) throws {
        try fault.check()
        try store.keep(job, request: request, state: state)
    }

    func finish(_ job: Job, pictures: [Data]) throws {
        try fault.check(pictures)
        try store.finish(job, pictures: pictures)
    }

    func job(_ id: JobID) throws -> Job? { try store.job(id) }
    func job(keyed key: String) throws -> Job? { try store.job(keyed: key) }
    func pictures(of id: JobID) throws -> [Data] { try store.pictures(of: id) }
    func picture(of id: JobID, at index: Int) throws -> Data? { try store.picture(of: id, at: index) }
    func jobs(_ query: JobQuery) throws -> JobPage { try store.jobs(query) }
    func delete(_ id: JobID) throws -> Bool { try store.delete(id) }
    func recover(failing failure: JobFailure, at now: Date, expiry: Date) throws -> [InterruptedJob] {
        try store.recover(failing: failure, at: now, expiry: expiry)
    }
    func expire(now: Date, byteLimit: Int, forgetting: Date) throws {
        try store.expire(now: now, byteLimit: byteLimit, forgetting: forgetting)
    }
    func close() throws { try store.close() }
}
