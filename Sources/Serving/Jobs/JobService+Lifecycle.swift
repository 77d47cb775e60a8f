import Foundation
import Logging
import Pipelines
import Synchronization

/// Start, restart, expiry and stop.
extension JobService {
    private static let stopped = JobFailure(.serverStopped, "The server stopped before the job had finished.")

    /// Takes up the jobs that the last process left, begins to accept new ones, and looks at the models' files.
    /// - Throws: `JobStoreError` when the store can't be read.
    package func start() async throws {
        let interrupted = try await disk.run { [self] in
            let jobs = try store.recover(
                failing: Self.stopped,
                at: now(),
                expiry: now().addingTimeInterval(options.keepSeconds)
            )
            try removeExpired()
            return jobs
        }
        state.withLock { state in
            for job in interrupted { state.add(LiveJob(job: job.job, request: job.request, lease: nil)) }
            state.phase = .accepting
            state.sweeper = Task { [weak self, seconds = options.sweepSeconds] in
                while (try? await Task.sleep(for: .seconds(seconds))) != nil { await self?.sweep() }
            }
        }
        registry.inspect(loading: options.loadsModels)
        if !interrupted.isEmpty { logger.info("jobs taken up", metadata: ["jobs": "\(interrupted.count)"]) }
        Task { for job in interrupted { await takeUp(job) } }
    }

    /// Gives an interrupted job its model again and lets it run on.
    private func takeUp(_ interrupted: InterruptedJob) async {
        let id = interrupted.job.id
        do {
            let lease = try await registry.lease(interrupted.job.model)
            let run = try await preparation.run { [logger] in
                if let state = interrupted.state {
                    do {
                        return try lease.pipeline.resume(interrupted.request, from: state)
                    } catch {
                        logger.warning("job starts again", metadata: ["job": "\(id)", "error": "\(error)"])
                    }
                }
                return try lease.pipeline.run(for: interrupted.request)
            }
            state.withLock { state in
                state.live[id]?.lease = lease
                state.live[id]?.job.progress = run.progress
                state.live[id]?.news = run.news
            }
            begin(id, run)
        } catch {
            settle(id, .failure(JobFailure(error)))
        }
    }

    /// Removes results whose time is over or whose room is needed.
    package func sweep() async {
        do {
            try await disk.run { [self] in try removeExpired() }
        } catch {
            logger.error("expired results not removed", metadata: ["error": "\(error)"])
        }
    }

    /// The same, on the disk's queue.
    func removeExpired() throws {
        let now = now()
        try store.expire(
            now: now,
            byteLimit: options.keepBytes,
            forgetting: now.addingTimeInterval(-options.rememberSeconds)
        )
    }

    /// Stops: accepts nothing more, lets the current step end, keeps the states of durable jobs for the next start and
    /// cancels the others. The service can't be used afterwards.
    /// - Parameter seconds: how long to wait for the current step. Durable jobs whose state could not be had in time
    ///   start again from their request.
    package func shutdown(within seconds: Double) async {
        let states = await stopEngine(within: seconds)
        let left = state.withLock { state -> [LiveJob] in
            let left = state.live.values.filter { !$0.isSettled && $0.job.isDurable }
            for live in left { state.live.removeValue(forKey: live.job.id) }
            return left
        }
        for live in left {
            disk.enqueue { [store, logger] in
                do {
                    try store.keep(live.job, request: nil, state: states[live.job.id])
                } catch {
                    logger.error("run not kept", metadata: ["job": "\(live.job.id)", "error": "\(error)"])
                }
            }
            for observer in live.observers.values {
                observer.yield(.interrupted)
                observer.finish()
            }
        }
        for id in state.withLock({ Array($0.live.keys) }) { settle(id, .failure(Self.stopped)) }
        await encoding.drain()
        await disk.drain()
        do {
            try await disk.run { [store] in try store.close() }
        } catch {
            logger.error("job database not closed", metadata: ["error": "\(error)"])
        }
    }

    /// Closes the door and stops the engine.
    /// - Returns: the states of all runs, or none if the current step takes longer than `seconds`.
    private func stopEngine(within seconds: Double) async -> [JobID: Data] {
        let (stream, continuation) = AsyncStream.makeStream(of: [JobID: Data].self)
        state.withLock { state in
            state.phase = .stopping
            state.sweeper?.cancel()
            engine.stop { states in
                continuation.yield(states)
                continuation.finish()
            }
        }
        DispatchQueue.global().asyncAfter(deadline: .now() + seconds) { continuation.finish() }
        for await states in stream { return states }
        return [:]
    }
}
