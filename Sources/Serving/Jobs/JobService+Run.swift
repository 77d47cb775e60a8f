import Foundation
import Images
import Logging
import Pipelines
import Synchronization

/// From the first step of a job to its end.
extension JobService {
    /// Hands a job that the store knows to the engine, unless it has been cancelled meanwhile.
    func begin(_ id: JobID, _ run: any PipelineRun) {
        state.withLock { state in
            guard let live = state.live[id], !live.isSettled else { return }
            let execution = Execution(
                id: id,
                run: run,
                lane: live.lane,
                deadline: live.job.deadline,
                isArchived: live.job.isDurable
            ) { [weak self] event in self?.heard(event, of: id) }
            engine.start(execution)
        }
    }

    /// Cancels a job: nothing of it is computed beyond the current step.
    /// - Returns: the job at its end, which may have come before the cancellation; nil if there is no such job.
    package func cancel(_ id: JobID) async throws -> Job? {
        abandon(id)
        return try await completion(of: id)?.job
    }

    /// Cancels a job without waiting for its end, which may have come already.
    package func abandon(_ id: JobID) {
        settle(id, .failure(JobFailure(.cancelled, "The job was cancelled.")))
        engine.cancel(id)
    }

    /// Removes a job with its result, cancelling it first if it has not finished.
    /// - Returns: whether there was such a job.
    package func delete(_ id: JobID) async throws -> Bool {
        guard try await cancel(id) != nil else { return false }
        return try await disk.run { [store] in try store.delete(id) }
    }

    /// Lets a job outlive its connection and a restart from now on.
    package func makeDurable(_ id: JobID) async throws {
        let live = state.withLock { state -> LiveJob? in
            guard let live = state.live[id], !live.isSettled, !live.job.isDurable else { return nil }
            state.live[id]?.job.isDurable = true
            return state.live[id]
        }
        guard let live else { return }
        engine.archive(id)
        try await disk.run { [store] in try store.keep(live.job, request: live.request, state: nil) }
    }

    // MARK: Events

    private func heard(_ event: EngineEvent, of id: JobID) {
        switch event {
        case .started:
            change(id, savingAtOnce: true) { job in
                job.status = .inProgress
                job.startedAt = job.startedAt ?? now()
            }
        case .stepped(let progress, let step, let news):
            let model = change(id, adding: news) { job in
                job.progress = progress
                job.timings.add(step.stage, seconds: step.seconds)
            }
            if let model { registry.record(step, of: model) }
        case .finished(let result):
            settle(id, .success(result))
        case .failed(let error):
            settle(id, .failure(JobFailure(error)))
        case .overdue:
            settle(id, .failure(JobFailure(.deadlineExceeded, "The job's time (Cancel-After) was over.")))
        }
    }

    /// Changes a live job, tells its observers and, now and then, the store.
    /// - Returns: the job's model, nil if its end is decided.
    @discardableResult
    private func change(
        _ id: JobID,
        savingAtOnce: Bool = false,
        adding news: [ReplyNews] = [],
        _ body: (inout Job) -> Void
    ) -> String? {
        state.withLock { state in
            guard var live = state.live[id], !live.isSettled else { return nil }
            body(&live.job)
            // The array is shared with observers' views: without news it must not be copied.
            if !news.isEmpty { live.news += news }
            let isSaved = savingAtOnce || now().timeIntervalSince(live.savedAt) >= options.saveSeconds
            if isSaved { live.savedAt = now() }
            state.live[id] = live
            if !live.observers.isEmpty, let view = state.view(id) {
                for observer in live.observers.values { observer.yield(.changed(view)) }
            }
            if isSaved { save(live.job) }
            return live.job.model
        }
    }

    private func save(_ job: Job) {
        disk.enqueue { [store, logger] in
            do {
                try store.update(job)
            } catch {
                // The result is what counts; progress will be written again.
                logger.warning("progress not saved", metadata: ["job": "\(job.id)", "error": "\(error)"])
            }
        }
    }

    // MARK: The end

    /// Decides how a job ends, once; writes it to the store; and lets everybody know.
    func settle(_ id: JobID, _ outcome: Result<RunResult, JobFailure>) {
        let unsettled = state.withLock { state -> Job? in
            guard let live = state.live[id], !live.isSettled else { return nil }
            state.live[id]?.isSettled = true
            state.live[id]?.lease = nil
            return live.job
        }
        guard let unsettled else { return }
        switch outcome {
        case .success: encoding.enqueue { [self] in store(unsettled, outcome) }
        case .failure: store(unsettled, outcome)
        }
    }

    private func store(_ job: Job, _ outcome: Result<RunResult, JobFailure>) {
        let (ended, pictures) = conclude(job, outcome)
        disk.enqueue { [self] in
            do {
                try store.finish(ended, pictures: pictures)
                publish(FinishedJob(job: ended, pictures: pictures))
            } catch {
                logger.error("result not stored", metadata: ["job": "\(job.id)", "error": "\(error)"])
                let failed = conclude(job, .failure(JobFailure(.storageFailed, "The result could not be stored."))).job
                // Without pictures it may fit; where nothing can be written, a restart finds the job unfinished.
                try? store.finish(failed, pictures: [])
                publish(FinishedJob(job: failed, pictures: []))
            }
        }
    }

    private func conclude(_ job: Job, _ outcome: Result<RunResult, JobFailure>) -> (job: Job, pictures: [Data]) {
        var job = job
        var pictures: [Data] = []
        do {
            (job.result, pictures) = try stored(try outcome.get(), delivery: job.delivery)
            job.status = .completed
            if let progress = job.progress {
                job.progress = RunProgress(stage: .finished, step: progress.steps, steps: progress.steps)
            }
        } catch {
            let failure = error as? JobFailure ?? JobFailure(error)
            job.failure = failure
            job.status = failure.reason.isCancellation ? .cancelled : .failed
        }
        let end = now()
        job.completedAt = end
        job.expiresAt = end.addingTimeInterval(options.keepSeconds)
        return (job, pictures)
    }

    private func stored(_ result: RunResult, delivery: PictureDelivery?) throws -> (JobResult, [Data]) {
        let delivery = delivery ?? .standard
        switch result {
        case .answer(let answer, let usage):
            let record = AnswerRecord(text: answer.text, tokenIDs: answer.tokenIDs, finishReason: answer.finishReason)
            return (.answer(record, usage: usage), [])
        case .pictures(let pictures, let usage):
            return (.pictures(pictures.map(PictureRecord.init), usage: usage), try pictures.map(delivery.file(of:)))
        case .replies(let replies, let usage):
            var pictures: [GeneratedPicture] = []
            let records = replies.map { ReplyRecord($0, pictures: &pictures) }
            return (
                .replies(records, pictures: pictures.map(PictureRecord.init), usage: usage),
                try pictures.map(delivery.file(of:))
            )
        }
    }

    private func publish(_ finished: FinishedJob) {
        let live = state.withLock { $0.live.removeValue(forKey: finished.job.id) }
        log(finished.job)
        var finished = finished
        if let news = live?.news, !news.isEmpty { finished.news = news }
        for observer in live?.observers.values.map(\.self) ?? [] {
            observer.yield(.finished(finished))
            observer.finish()
        }
    }

    private func log(_ job: Job) {
        var metadata: Logger.Metadata = [
            "job": "\(job.id)", "kind": "\(job.kind.rawValue)", "model": "\(job.model)",
            "status": "\(job.status.rawValue)", "compute_seconds": "\(job.timings.computeSeconds)",
        ]
        if let failure = job.failure { metadata["reason"] = "\(failure.reason.rawValue): \(failure.message)" }
        logger.log(level: job.status == .failed ? .error : .info, "job finished", metadata: metadata)
    }
}

extension ReplyRecord {
    /// - Parameter pictures: the reply's are added to it
    init(_ reply: ChatReply, pictures: inout [GeneratedPicture]) {
        let parts = reply.parts.map { part in
            switch part {
            case .text(let text): return Part.text(text)
            case .picture(let picture):
                pictures.append(picture)
                return Part.picture(index: pictures.count - 1)
            }
        }
        self.init(
            parts: parts,
            tokenIDs: reply.tokenIDs,
            finishReason: reply.finishReason,
            scores: reply.scores
        )
    }
}

extension JobFailure {
    /// What a run or its preparation threw.
    init(_ error: any Error) {
        switch error {
        case PipelineError.invalidRequest(let field, let reason):
            self.init(.invalidRequest, reason, field: field)
        case let error as ModelError:
            self.init(.modelUnavailable, error.description)
        default:
            self.init(.runFailed, "The run failed: \(error)")
        }
    }
}

extension JobFailure.Reason {
    /// Whether the job ended because somebody wanted it to, not because it could not go on.
    var isCancellation: Bool {
        switch self {
        case .cancelled, .deadlineExceeded, .serverStopped: true
        case .invalidRequest, .modelUnavailable, .runFailed, .storageFailed: false
        }
    }
}
