package import Foundation
package import Logging
package import Pipelines
import Synchronization

/// Takes requests in, sees them through the engine, and keeps them in the store.
///
/// What a job is doing lives in memory; the store gets to know of a job before its client does, of its progress now and
/// then, and of its result before anybody else.
package final class JobService: Sendable {
    package struct Options: Sendable {
        /// Jobs that may wait for their first step.
        package var queueLimit = 64
        /// Bytes of pixels that the requests of all unfinished jobs may hold in memory.
        package var pictureBytes = 1 << 30
        /// How long results are kept.
        package var keepSeconds = 24 * 3600.0
        /// Bytes of results kept in all.
        package var keepBytes = 2 << 30
        /// How long it is remembered that there was a job whose result has expired.
        package var rememberSeconds = 7 * 24 * 3600.0
        /// Whether models are loaded at the start, as far as memory reaches, or each on its first use.
        package var loadsModels = true
        /// Progress goes to the disk at most this often, per job.
        package var saveSeconds = 2.0
        /// How often expired results are looked for.
        package var sweepSeconds = 10.0

        package init() {}
    }

    let store: any JobStore
    let engine: Engine
    package let registry: ModelRegistry
    let options: Options
    let logger: Logger
    let now: @Sendable () -> Date
    let state: Mutex<State>
    /// Everything that touches the store, in order.
    let disk = BlockingQueue(label: "triptych.store")
    /// Checking requests against their models, apart from encoding: a question does not wait for a picture's file.
    let preparation = BlockingQueue(label: "triptych.preparation")
    let encoding = BlockingQueue(label: "triptych.encoding")

    struct State {
        enum Phase { case starting, accepting, stopping }

        var phase = Phase.starting
        /// Jobs that have not finished.
        var live: [JobID: LiveJob] = [:]
        var nextNumber = 0
        var sweeper: Task<Void, Never>?
    }

    /// - Parameter now: the clock of timestamps, deadlines and expiry.
    package init(
        store: any JobStore,
        engine: Engine,
        registry: ModelRegistry,
        options: Options = Options(),
        logger: Logger,
        now: @escaping @Sendable () -> Date = { Date() }
    ) {
        self.store = store
        self.engine = engine
        self.registry = registry
        self.options = options
        self.logger = logger
        self.now = now
        state = Mutex(State())
    }

    /// Whether requests are accepted: after `start()`, before `shutdown(within:)`.
    package var isAccepting: Bool { state.withLock { $0.phase == .accepting } }

    // MARK: Submitting

    /// Accepts a request: its model is loaded, the model agrees to the request, and the store knows the job.
    /// - Returns: the new job, or the one that has its idempotency key already.
    /// - Throws: `SubmissionError`, `ModelError`, `PipelineError.invalidRequest`, `JobStoreError`.
    package func submit(_ submission: Submission) async throws -> Job {
        guard isAccepting else { throw SubmissionError.stopping }
        if let existing = try await job(keyed: submission.idempotency) { return existing }
        try state.withLock { try checkCapacity(of: $0, for: submission.request) }
        let pictures = submission.request.images.count
        let lease = try await registry.lease(submission.model, for: submission.task, pictures: pictures)
        let run = try await preparation.run { try lease.pipeline.run(for: submission.request) }

        var job = submission.job(model: lease.name, at: now())
        job.progress = run.progress
        let accepted = job
        try state.withLock { state in
            try checkCapacity(of: state, for: submission.request)
            state.add(LiveJob(job: accepted, request: submission.request, lease: lease))
        }
        do {
            try await disk.run { [store] in
                try store.insert(accepted, request: accepted.isDurable ? submission.request : nil)
            }
        } catch {
            state.withLock { _ = $0.live.removeValue(forKey: accepted.id) }
            // The same key may have come twice at once; the first one in the store has it.
            guard case JobStoreError.keyInUse(let existing) = error else { throw error }
            return try match(existing, submission.idempotency)
        }
        begin(accepted.id, run)
        return accepted
    }

    private func checkCapacity(of state: borrowing State, for request: RunRequest) throws {
        guard state.phase == .accepting else { throw SubmissionError.stopping }
        let waiting = state.live.values.count { $0.job.status == .queued }
        let held = state.live.values.reduce(request.pictureBytes) { $0 + $1.request.pictureBytes }
        // A request that is alone is let in whatever its size, which was bounded when its pictures were decoded.
        guard waiting < options.queueLimit, held <= options.pictureBytes || state.live.isEmpty else {
            throw SubmissionError.queueFull(retryAfterSeconds: 5)
        }
    }

    private func job(keyed key: IdempotencyKey?) async throws -> Job? {
        guard let key else { return nil }
        let found = try await disk.run { [self] () -> Job? in
            guard let job = try store.job(keyed: key.key) else { return nil }
            guard job.isOverdue(at: now()) else { return job }
            try removeExpired()  // which frees the key
            return nil
        }
        return try found.map { try match($0, key) }
    }

    private func match(_ existing: Job, _ key: IdempotencyKey?) throws -> Job {
        guard existing.idempotency == key else { throw SubmissionError.keyReused(existing.id) }
        return existing
    }

    // MARK: Looking

    /// A job as it stands now; nil if there is none.
    package func view(_ id: JobID) async throws -> JobView? {
        if let view = state.withLock({ $0.view(id) }) { return view }
        return try await disk.run { [store] in try store.job(id) }.map(storedView)
    }

    /// A finished job with its pictures; nil if there is none or it has not finished.
    package func finished(_ id: JobID) async throws -> FinishedJob? {
        let loaded = try await disk.run { [store] in
            try store.job(id).map { FinishedJob(job: $0, pictures: try store.pictures(of: id)) }
        }
        guard let loaded, loaded.job.status.isFinished else { return nil }
        let job = storedView(loaded.job).job
        return FinishedJob(job: job, pictures: job.status == .expired ? [] : loaded.pictures)
    }

    /// A picture that a job has just drawn, as it will hand it over.
    package func file(of picture: GeneratedPicture, _ delivery: PictureDelivery?) async throws -> Data {
        try await encoding.run { try (delivery ?? .standard).file(of: picture) }
    }

    /// One picture of a job that has not expired.
    package func picture(of id: JobID, at index: Int) async throws -> Data? {
        try await disk.run { [store] in try store.picture(of: id, at: index) }
    }

    /// Jobs from the newest to the oldest, as they stand now.
    /// - Throws: `JobStoreError.unknownJob` when the list is to go on after a job that does not exist.
    package func jobs(_ query: JobQuery) async throws -> (jobs: [JobView], hasMore: Bool) {
        // Jobs leave the live ones on the disk's queue, so that here the two fit together.
        try await disk.run { [self] in
            let page = try store.jobs(query)
            let live = state.withLock { state in page.jobs.map { state.view($0.id) } }
            let views = zip(page.jobs, live).map { job, live in live ?? storedView(job) }
            return (views.filter { query.status == nil || $0.job.status == query.status }, page.hasMore)
        }
    }

    private func storedView(_ job: Job) -> JobView {
        var job = job
        if job.isOverdue(at: now()) { job.expire() }
        return JobView(job: job, queuePosition: nil, etaSeconds: nil, news: [])
    }

    /// Follows a job: its changes, then its end. A job that has finished already ends at once.
    /// - Parameter seconds: how long nothing may be heard of an unfinished job, changed or not; nil is for ever.
    /// - Returns: nil if there is no such job.
    package func updates(of id: JobID, atLeastEvery seconds: Double? = nil) async throws -> AsyncStream<JobUpdate>? {
        let (stream, continuation) = AsyncStream.makeStream(of: JobUpdate.self, bufferingPolicy: .bufferingNewest(1))
        if observe(id, with: continuation, atLeastEvery: seconds) { return stream }
        guard let finished = try await finished(id) else { return nil }
        continuation.yield(.finished(finished))
        continuation.finish()
        return stream
    }

    /// Waits for the end of a job.
    /// - Parameter seconds: how long; nil waits as long as it takes.
    /// - Returns: nil when the time is over, the calling task is cancelled, or the server stops before.
    package func completion(of id: JobID, within seconds: Double? = nil) async throws -> FinishedJob? {
        let (stream, continuation) = AsyncStream.makeStream(of: JobUpdate.self, bufferingPolicy: .bufferingNewest(1))
        guard observe(id, with: continuation) else { return try await finished(id) }
        let timer = seconds.map { seconds in
            Task {
                try await Task.sleep(for: .seconds(seconds))
                continuation.finish()
            }
        }
        defer { timer?.cancel() }
        for await update in stream {
            if case .finished(let finished) = update { return finished }
        }
        return nil
    }

    /// Adds an observer to a job that has not finished.
    private func observe(
        _ id: JobID,
        with continuation: AsyncStream<JobUpdate>.Continuation,
        atLeastEvery seconds: Double? = nil
    ) -> Bool {
        let number = state.withLock { state -> Int? in
            guard state.live[id] != nil, let view = state.view(id) else { return nil }
            continuation.yield(.changed(view))
            state.nextNumber += 1
            state.live[id]?.observers[state.nextNumber] = continuation
            return state.nextNumber
        }
        guard let number else { return false }
        let reminder = seconds.map { seconds in
            Task { [weak self] in
                while (try? await Task.sleep(for: .seconds(seconds))) != nil, self?.remind(number, of: id) == true {}
            }
        }
        continuation.onTermination = { [weak self] _ in
            reminder?.cancel()
            self?.state.withLock { _ = $0.live[id]?.observers.removeValue(forKey: number) }
        }
        return true
    }

    /// Tells an observer once more where its job stands. Under the lock, so that the end of the job is not replaced.
    /// - Returns: whether it still observes
    private func remind(_ number: Int, of id: JobID) -> Bool {
        state.withLock { state in
            guard let observer = state.live[id]?.observers[number], let view = state.view(id) else { return false }
            observer.yield(.changed(view))
            return true
        }
    }
}

extension Job {
    /// Whether the result's time is over.
    func isOverdue(at now: Date) -> Bool {
        status.isFinished && status != .expired && expiresAt.map { $0 <= now } ?? false
    }

    /// Leaves that there was a job and when it ended.
    mutating func expire() {
        status = .expired
        requestSummary = nil
        result = nil
        failure = nil
    }
}
