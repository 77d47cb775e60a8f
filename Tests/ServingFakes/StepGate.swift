import Dispatch
import Synchronization

/// Lets a test decide when a step ends: closed, every step waits for `admit(_:)`.
package final class StepGate: Sendable {
    private let permits = DispatchSemaphore(value: 0)
    private let isOpen: Mutex<Bool>
    private let arrivals: AsyncStream<String>
    private let announce: AsyncStream<String>.Continuation

    package init(isOpen: Bool) {
        self.isOpen = Mutex(isOpen)
        (arrivals, announce) = AsyncStream.makeStream(of: String.self)
    }

    /// Called by a step: blocks until it may end.
    func pass(_ text: String) {
        announce.yield(text)
        if isOpen.withLock(\.self) { return }
        permits.wait()
    }

    /// Waits for the next step to begin.
    /// - Returns: the prompt or question it belongs to.
    package func arrival() async -> String? {
        var iterator = arrivals.makeAsyncIterator()
        return await iterator.next()
    }

    /// Lets `count` steps end.
    package func admit(_ count: Int = 1) {
        for _ in 0..<count { permits.signal() }
    }

    /// Lets the waiting step, and every later one, end.
    package func open() {
        isOpen.withLock { $0 = true }
        permits.signal()
    }
}
