import Glibc
import Synchronization

/// The memory of one or more tensors: float32, aligned to 64 bytes.
///
/// `@unchecked Sendable`: the bytes are written only by `Tensor`'s mutating methods, which require unique ownership, and
/// by operations that fill a storage before anyone else can hold it.
final class TensorStorage: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<Float>
    let capacity: Int
    private let block: StorageBlock

    /// Uninitialised room for `count` floats.
    init(count: Int) {
        capacity = count
        block = StoragePool.shared.take(byteCount: count * 4)
        pointer = block.address.bindMemory(to: Float.self, capacity: count)
    }

    deinit { StoragePool.shared.giveBack(block) }

    /// Gives the memory under some elements back to the system; their values are lost.
    func discard(_ elements: Range<Int>) {
        let page = 4_096
        let first = UInt(bitPattern: pointer + elements.lowerBound)
        let last = UInt(bitPattern: pointer + elements.upperBound)
        guard let start = UnsafeMutableRawPointer(bitPattern: (first + UInt(page) - 1) / UInt(page) * UInt(page)),
            UInt(bitPattern: start) < last
        else { return }
        // Whole pages inside the range only; where the system has larger ones, the call fails and nothing is lost.
        madvise(start, Int(last - UInt(bitPattern: start)) / page * page, MADV_DONTNEED)
    }
}

/// A piece of aligned memory.
///
/// `@unchecked Sendable`: owned by one storage or by the pool.
struct StorageBlock: @unchecked Sendable {
    let address: UnsafeMutableRawPointer
    let byteCount: Int
}

/// Keeps the large blocks that tensors give back, because fresh memory costs a page fault every 4 KiB: for the
/// activations of an image decoder about as much as reading and writing them.
///
/// A block serves again where it is at most a quarter too large. Where none fits, blocks of other sizes are freed before
/// memory is added, so that the process never holds much more than its largest set of live tensors.
struct StoragePool: Sendable {
    static let shared = StoragePool()

    /// Smaller blocks go back to malloc, which recycles them itself.
    private static let smallestKept = 1 << 18
    /// Kept at most: two activations of the largest size that an image decoder has at 512 pixels.
    private static let mostKept = 1 << 29
    /// Blocks from 4 MiB on begin on a huge page and may lie in huge ones, which cost 512 times fewer faults.
    private static let hugePage = 1 << 21

    private struct Kept {
        /// Oldest first.
        var blocks: [StorageBlock] = []
        var byteCount = 0
    }

    private let kept = Box()

    private final class Box: Sendable {
        let state = Mutex(Kept())
    }

    func take(byteCount: Int) -> StorageBlock {
        let grain = byteCount >= Self.smallestKept ? 1 << 16 : 64
        let rounded = (max(byteCount, 1) + grain - 1) / grain * grain
        if rounded >= Self.smallestKept {
            var freed: [StorageBlock] = []
            let found = kept.state.withLock { kept -> StorageBlock? in
                let fitting = kept.blocks.indices.filter {
                    kept.blocks[$0].byteCount >= rounded && kept.blocks[$0].byteCount / 5 * 4 <= rounded
                }
                if let best = fitting.min(by: { kept.blocks[$0].byteCount < kept.blocks[$1].byteCount }) {
                    kept.byteCount -= kept.blocks[best].byteCount
                    return kept.blocks.remove(at: best)
                }
                var needed = rounded
                while needed > 0, !kept.blocks.isEmpty {
                    let oldest = kept.blocks.removeFirst()
                    kept.byteCount -= oldest.byteCount
                    needed -= oldest.byteCount
                    freed.append(oldest)
                }
                return nil
            }
            freed.forEach { $0.address.deallocate() }
            if let found { return found }
        }
        let isHuge = rounded >= 2 * Self.hugePage
        let address = UnsafeMutableRawPointer.allocate(byteCount: rounded, alignment: isHuge ? Self.hugePage : 64)
        if isHuge { madvise(address, rounded, MADV_HUGEPAGE) }
        return StorageBlock(address: address, byteCount: rounded)
    }

    func giveBack(_ block: StorageBlock) {
        guard block.byteCount >= Self.smallestKept, block.byteCount <= Self.mostKept else {
            return block.address.deallocate()
        }
        let freed = kept.state.withLock { kept -> [StorageBlock] in
            kept.blocks.append(block)
            kept.byteCount += block.byteCount
            var freed: [StorageBlock] = []
            while kept.byteCount > Self.mostKept {
                let oldest = kept.blocks.removeFirst()
                kept.byteCount -= oldest.byteCount
                freed.append(oldest)
            }
            return freed
        }
        freed.forEach { $0.address.deallocate() }
    }

    /// Frees what is kept.
    func trim() {
        let freed = kept.state.withLock { kept -> [StorageBlock] in
            defer { kept = Kept() }
            return kept.blocks
        }
        freed.forEach { $0.address.deallocate() }
    }
}

extension Tensor {
    /// Returns the memory of dead tensors to the system; worth calling when work ends and none is in sight.
    package static func releaseUnusedMemory() { StoragePool.shared.trim() }
}
