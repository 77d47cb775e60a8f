import Foundation
import Images
import Pipelines

/// A job that has not finished, as the service holds it.
struct LiveJob {
    var job: Job
    let request: RunRequest
    /// Keeps the model loaded; nil until a job that a restart interrupted has its model again.
    var lease: ModelLease?
    /// Orders jobs by their arrival.
    var number = 0
    /// Whether the job's end is decided and on its way to the store. Nothing changes it any more.
    var isSettled = false
    var savedAt = Date.distantPast
    /// What a reply holds so far.
    var news: [ReplyNews] = []
    var observers: [Int: AsyncStream<JobUpdate>.Continuation] = [:]

    init(job: Job, request: RunRequest, lease: ModelLease?) {
        self.job = job
        self.request = request
        self.lease = lease
    }

    var lane: StepSchedule.Lane {
        switch job.kind {
        case .generation, .edit: .long
        case .answer, .chat: job.progress?.stage.isRendering == true ? .long : .short
        }
    }
}

extension RunRequest {
    /// The pictures that the request brings.
    var images: [PixelImage] {
        switch self {
        case .generation(let request): request.images
        case .answer(let request): request.images
        case .chat(let request): request.images
        }
    }

    /// Bytes of pixels that the request holds.
    var pictureBytes: Int { images.reduce(0) { $0 + $1.pixels.count } }
}

extension JobService.State {
    mutating func add(_ job: LiveJob) {
        nextNumber += 1
        live[job.job.id] = job
        live[job.job.id]?.number = nextNumber
    }

    func view(_ id: JobID) -> JobView? {
        guard let own = live[id] else { return nil }
        let lane = live.values.filter { $0.lane == own.lane }
        return JobView(
            job: own.job,
            queuePosition: own.job.status == .queued
                ? lane.count { $0.job.status == .queued && $0.number <= own.number } : nil,
            etaSeconds: own.job.remainingSeconds(sharing: lane.count { $0.job.status == .inProgress }),
            news: own.news
        )
    }
}

extension Job {
    /// What the steps left would take at the mean pace so far, with `runs` of its kind taking turns.
    fileprivate func remainingSeconds(sharing runs: Int) -> Double? {
        let steps = timings.stages.reduce(0) { $0 + $1.steps }
        guard status == .inProgress, steps > 0, let progress else { return nil }
        return timings.computeSeconds / Double(steps) * Double(max(0, progress.steps - progress.step) * max(1, runs))
    }
}
