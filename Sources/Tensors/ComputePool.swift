import Foundation
import Synchronization

/// Owns every compute thread of the process. Work is split into numbered items of fixed size; which thread takes an item
/// never changes what the item computes.
package final class ComputePool: Sendable {
    private static let current = Mutex<ComputePool>(ComputePool(threads: ProcessInfo.processInfo.activeProcessorCount))

    /// The pool in use; one thread a core until `configure` says otherwise.
    package static var shared: ComputePool { current.withLock { $0 } }

    /// Replaces the shared pool; operations that run meanwhile finish on the old one.
    package static func configure(threads: Int) {
        precondition(threads > 0, "a pool of \(threads) threads")
        current.withLock { $0 = ComputePool(threads: threads) }
    }

    /// The number of threads, the caller's included.
    package let threads: Int

    init(threads: Int) { self.threads = threads }

    /// Runs `body` for every item, and returns when all are done.
    func run(items: Int, _ body: (Int) -> Void) {
        withoutActuallyEscaping(body) { body in
            nonisolated(unsafe) let body = body  // all calls end before this function returns
            DispatchQueue.concurrentPerform(iterations: items) { body($0) }
        }
    }
}
