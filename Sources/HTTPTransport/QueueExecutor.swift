import Dispatch

/// Runs Swift tasks on a serial dispatch queue, the one on which a connection's sources fire too.
final class QueueExecutor: SerialExecutor, TaskExecutor {
    let queue: DispatchQueue

    /// The workers below all connections. They are not the ones of Swift's own pool, so that computing tasks do not hold
    /// up the network.
    private static let workers = DispatchQueue.global(qos: .userInitiated)

    init(label: String) {
        queue = DispatchQueue(label: label, target: Self.workers)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async {
            job.runSynchronously(isolatedTo: self.asUnownedSerialExecutor(), taskExecutor: self.asUnownedTaskExecutor())
        }
    }

    func checkIsolated() {
        dispatchPrecondition(condition: .onQueue(queue))
    }
}
