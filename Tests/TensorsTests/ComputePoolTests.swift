import Foundation
import Synchronization
import Testing

@testable import Tensors

@Suite struct ComputePoolTests {
    @Test(arguments: [1, 2, 3, 8]) func run_doesEveryItemOnce(threads: Int) {
        let pool = ComputePool(threads: threads)
        let counts = (0..<100).map { _ in Counter() }
        for round in 1...200 {
            pool.run(items: 100) { counts[$0].value.add(1, ordering: .relaxed) }
            #expect(counts.allSatisfy { $0.value.load(ordering: .relaxed) == round })
        }
    }

    @Test func run_servesSeveralCallers() async {
        let pool = ComputePool(threads: 3)
        let total = Counter()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<100 { pool.run(items: 7) { _ in total.value.add(1, ordering: .relaxed) } }
                }
            }
        }
        #expect(total.value.load(ordering: .relaxed) == 8 * 100 * 7)
    }

    @Test func run_wakesParkedThreads() {
        let pool = ComputePool(threads: 4)
        let total = Counter()
        for _ in 0..<20 {
            Thread.sleep(forTimeInterval: 0.002)
            pool.run(items: 5) { _ in total.value.add(1, ordering: .relaxed) }
        }
        #expect(total.value.load(ordering: .relaxed) == 100)
    }

    @Test func scratch_isNotShared() {
        let pool = ComputePool(threads: 4)
        let clean = Counter()
        pool.run(items: 64) { item, scratch in
            let memory = scratch.floats(1000)
            memory.update(repeating: Float(item), count: 1000)
            if (0..<1000).allSatisfy({ memory[$0] == Float(item) }) { clean.value.add(1, ordering: .relaxed) }
        }
        #expect(clean.value.load(ordering: .relaxed) == 64)
    }

    final class Counter: Sendable { let value = Atomic<Int>(0) }
}
