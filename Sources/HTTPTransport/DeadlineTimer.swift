import Dispatch

/// One deadline at a time on a serial queue, cheap to move later: the dispatch timer behind it is only touched if the new
/// deadline comes before the time it is set to.
final class DeadlineTimer {
    private let timer: any DispatchSourceTimer
    private let passed: () -> Void
    private var wakeTime: DispatchTime?

    /// When `passed` is to be called; nil for never.
    var deadline: DispatchTime? {
        didSet {
            guard let deadline else { return }
            if let wakeTime, wakeTime <= deadline { return }
            wake(at: deadline)
        }
    }

    /// - Parameters:
    ///   - queue: the queue on which the timer is used and `passed` is called.
    init(queue: DispatchQueue, passed: @escaping () -> Void) {
        self.passed = passed
        timer = DispatchSource.makeTimerSource(queue: queue)
        timer.setEventHandler { [unowned self] in fire() }
        timer.activate()
    }

    func cancel() {
        deadline = nil
        timer.cancel()
    }

    private func wake(at time: DispatchTime) {
        wakeTime = time
        // Nobody minds a timeout that is late by a twentieth of a second, and the kernel can gather wake-ups.
        timer.schedule(deadline: time, leeway: .milliseconds(50))
    }

    private func fire() {
        wakeTime = nil
        guard let deadline else { return }
        if deadline > .now() { return wake(at: deadline) }
        self.deadline = nil
        passed()
    }
}

extension DispatchTimeInterval {
    /// Seconds as the configuration has them; limited to a year, where no conversion can overflow.
    static func seconds(_ seconds: Double) -> Self {
        let year = 366 * 86_400.0
        return .milliseconds(Int(seconds.isNaN ? year * 1000 : min(max(seconds, 0), year) * 1000))
    }
}
