import Synchronization

/// What a route has to say about a request for the request's line in the log.
final class RequestNotes: Sendable {
    struct Notes {
        var job: String?
        var model: String?
    }

    /// The notes of the request that the current task answers.
    @TaskLocal static var current = RequestNotes()

    private let notes = Mutex(Notes())

    var value: Notes { notes.withLock(\.self) }

    func note(job: String, model: String) {
        notes.withLock { $0 = Notes(job: job, model: model) }
    }
}
