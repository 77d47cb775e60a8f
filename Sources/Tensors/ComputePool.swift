import CTriptychKernels
import Dispatch
import Foundation
import Synchronization

/// Owns every compute thread of the process.
///
/// Work is split into numbered items whose results do not depend on each other, nor on the thread that takes them; the
/// caller takes items too. Jobs of several callers run one after the other. A job must not start another one.
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

    private let crew: Crew
    private let submission = Mutex<Scratch>(Scratch())

    init(threads: Int) {
        self.threads = threads
        crew = Crew(helpers: threads - 1)
    }

    deinit { crew.dismiss() }

    /// Runs `body` for every item in 0..<items, each with memory that it may use until it returns; returns when all are
    /// done.
    func run(items: Int, _ body: (_ item: Int, _ scratch: Scratch) -> Void) {
        submission.withLock { scratch in
            if items <= 1 || threads == 1 {
                for item in 0..<items { body(item, scratch) }
            } else {
                withoutActuallyEscaping(body) { crew.run(items: items, scratch: scratch, $0) }
            }
        }
    }

    /// As above, for items that need no memory of their own.
    func run(items: Int, _ body: (_ item: Int) -> Void) {
        run(items: items) { item, _ in body(item) }
    }
}

/// Memory that one thread reuses from item to item. Its contents are undefined at the start of an item.
///
/// `@unchecked Sendable`: belongs to one thread at a time.
final class Scratch: @unchecked Sendable {
    private var storage: TensorStorage?

    /// Room for `count` floats, aligned to 64 bytes; the same memory for every call within an item.
    func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
        if let storage, storage.capacity >= count { return storage.pointer }
        let grown = TensorStorage(count: count)
        storage = grown
        return grown.pointer
    }
}

/// Cuts one piece of scratch memory into parts that each begin on a cache line.
struct ScratchLayout {
    private(set) var count = 0

    /// The offset of `floats` more floats.
    mutating func reserve(_ floats: Int) -> Int {
        defer { count += (floats + 15) / 16 * 16 }
        return count
    }
}

/// The helping threads of a pool, and the job that they share.
///
/// `@unchecked Sendable`: `body` and `items` are written only while the gate is shut and nobody is inside, and read only
/// by threads that came in through it.
private final class Crew: @unchecked Sendable {
    private typealias Body = (Int, Scratch) -> Void

    /// Bit 0: open to helpers. Above it: how many are inside.
    private let gate = Atomic<Int>(0)
    /// Counts jobs, so that a waiting helper sees a new one.
    private let round = Atomic<Int>(0)
    private let next = Atomic<Int>(0)
    private let dismissed = Atomic<Bool>(false)
    private let helpers: [Helper]
    private var body: Body?
    private var items = 0

    /// A helper looks for a new job this many times (some 50 µs) before it parks: the operations of a tiny model follow
    /// each other within microseconds, while waking a parked thread takes 5 to 50.
    private static let patience = 1_500

    private final class Helper: Sendable {
        let parked = Atomic<Bool>(false)
        let wake = DispatchSemaphore(value: 0)
    }

    init(helpers count: Int) {
        helpers = (0..<count).map { _ in Helper() }
        for (index, helper) in helpers.enumerated() {
            let thread = Thread { [self] in serve(helper) }
            thread.name = "compute \(index + 1)"
            thread.start()
        }
    }

    /// Lets the helpers end; each of them holds the crew until then.
    func dismiss() {
        dismissed.store(true, ordering: .releasing)
        callHelpers()
    }

    func run(items: Int, scratch: Scratch, _ body: @escaping (Int, Scratch) -> Void) {
        self.body = body
        self.items = items
        next.store(0, ordering: .relaxed)
        gate.store(1, ordering: .releasing)
        callHelpers()
        work(scratch)
        gate.subtract(1, ordering: .acquiringAndReleasing)
        var turns = 0
        while gate.load(ordering: .acquiring) != 0 {
            turns += 1
            // A helper that lost its core in the middle of an item needs this one.
            if turns % 4_096 == 0 { sched_yield() } else { tk_spin_hint() }
        }
        self.body = nil
    }

    private func callHelpers() {
        round.add(1, ordering: .sequentiallyConsistent)
        for helper in helpers where helper.parked.load(ordering: .sequentiallyConsistent) {
            if helper.parked.exchange(false, ordering: .acquiringAndReleasing) { helper.wake.signal() }
        }
    }

    private func work(_ scratch: Scratch) {
        guard let body else { return }
        while true {
            let item = next.add(1, ordering: .relaxed).oldValue
            guard item < items else { return }
            body(item, scratch)
        }
    }

    private func serve(_ helper: Helper) {
        let scratch = Scratch()
        var seen = 0
        while true {
            seen = awaitRound(after: seen, helper)
            if dismissed.load(ordering: .acquiring) { return }
            var state = gate.load(ordering: .relaxed)
            while state & 1 == 1 {
                let entry = gate.weakCompareExchange(
                    expected: state,
                    desired: state + 2,
                    ordering: .acquiringAndReleasing
                )
                if entry.exchanged {
                    work(scratch)
                    gate.subtract(2, ordering: .releasing)
                    break
                }
                state = entry.original
            }
        }
    }

    private func awaitRound(after seen: Int, _ helper: Helper) -> Int {
        while true {
            for _ in 0..<Self.patience {
                let current = round.load(ordering: .acquiring)
                if current != seen { return current }
                tk_spin_hint()
            }
            helper.parked.store(true, ordering: .sequentiallyConsistent)
            if round.load(ordering: .sequentiallyConsistent) == seen {
                helper.wake.wait()
            } else if !helper.parked.exchange(false, ordering: .acquiringAndReleasing) {
                helper.wake.wait()  // a caller has taken the flag and signals
            }
        }
    }
}
