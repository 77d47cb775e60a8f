import Pipelines

/// Which run takes the next step.
///
/// Runs of the short lane overtake those of the long lane at every step; runs of one lane take turns. Only a few runs
/// of a lane are under way at a time, because each holds its latents or its KV cache; the others wait in order.
package struct StepSchedule: Sendable {
    package enum Lane: Sendable, CaseIterable {
        /// Work of seconds: answers, and the text of replies.
        case short
        /// Work of minutes: pictures.
        case long
    }

    package struct Limits: Sendable {
        /// Answers under way at a time.
        package var short = 4
        /// Pictures under way at a time: two, so that a small request is not stuck behind a large one.
        package var long = 2
        /// Steps that the short lane may take in a row while the long lane waits. A reply of usual length fits in, so
        /// that it waits for one step of a picture only; without any bound a stream of questions would stop pictures.
        package var shortStepsInARow = 128

        package init() {}
    }

    private let limits: Limits
    /// Runs under way; the one whose turn is next comes first.
    private var active: [Lane: [JobID]] = [.short: [], .long: []]
    private var waiting: [Lane: [JobID]] = [.short: [], .long: []]
    private var shortStepsTaken = 0

    package init(limits: Limits = Limits()) {
        self.limits = limits
    }

    package mutating func add(_ id: JobID, to lane: Lane) {
        waiting[lane, default: []].append(id)
        fill(lane)
    }

    package mutating func remove(_ id: JobID) {
        for lane in Lane.allCases {
            active[lane]?.removeAll { $0 == id }
            waiting[lane]?.removeAll { $0 == id }
            fill(lane)
        }
    }

    /// Puts a run at the end of another lane, if it is not in that lane already.
    package mutating func move(_ id: JobID, to lane: Lane) {
        guard active[lane]?.contains(id) != true, waiting[lane]?.contains(id) != true else { return }
        remove(id)
        add(id, to: lane)
    }

    /// The run that takes the next step; it goes to the end of its lane. Nil when there is nothing to do.
    package mutating func next() -> JobID? {
        let longWaits = active[.long]?.isEmpty == false
        if shortStepsTaken < limits.shortStepsInARow || !longWaits, let id = rotate(.short) {
            shortStepsTaken = longWaits ? shortStepsTaken + 1 : 0
            return id
        }
        shortStepsTaken = 0
        return rotate(.long)
    }

    private mutating func rotate(_ lane: Lane) -> JobID? {
        guard let runs = active[lane], let first = runs.first else { return nil }
        active[lane] = Array(runs.dropFirst()) + [first]
        return first
    }

    private mutating func fill(_ lane: Lane) {
        let limit = lane == .short ? limits.short : limits.long
        while active[lane, default: []].count < limit, waiting[lane]?.isEmpty == false {
            active[lane, default: []].append(waiting[lane, default: []].removeFirst())
        }
    }
}

extension RunProgress.Stage {
    /// Whether a picture is on its way: a reply that draws one waits among the pictures meanwhile.
    var isRendering: Bool {
        switch self {
        case .denoise, .decodeLatents: true
        case .encodeImage, .prefill, .decodeToken, .finished: false
        }
    }
}
