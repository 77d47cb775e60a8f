package import Foundation
package import Pipelines

/// A job together with what follows from the jobs around it.
package struct JobView: Sendable, Equatable {
    package let job: Job
    /// 1 for the next of its kind to start; nil once it has started.
    package let queuePosition: Int?
    /// Seconds until it has finished, as far as its steps so far tell; an upper bound where text may end early.
    package let etaSeconds: Double?
    /// All that a reply holds so far.
    package let news: [ReplyNews]
}

/// A job at its end, with the bytes of its pictures.
package struct FinishedJob: Sendable, Equatable {
    package let job: Job
    package let pictures: [Data]
    /// All that was told of a reply, for those who followed it; nil for a job that is read from the store.
    package var news: [ReplyNews]?
}

/// What an observer of a job hears. A slow observer misses changes, never the end.
package enum JobUpdate: Sendable {
    case changed(JobView)
    /// The last update; the job can be read from the store.
    case finished(FinishedJob)
    /// The last update of this process: the job runs on after the next start.
    case interrupted
}
