import Dispatch
import Synchronization
import Tensors

/// What decoding is held against: reading the same weights with the same number of threads, and nothing else.
struct MemoryRead {
    let byteCount: Int
    private let tensors: [StoredTensor]
    private let pieces: [Piece]

    /// A stretch of one tensor, small enough that the threads end together.
    private struct Piece {
        var tensor: Int
        var bytes: Range<Int>
    }

    private static let pieceBytes = 1 << 20

    init(_ tensors: [StoredTensor]) {
        self.tensors = tensors
        byteCount = tensors.reduce(0) { $0 + $1.bytes.count }
        pieces = tensors.enumerated().flatMap { index, tensor in
            stride(from: 0, to: tensor.bytes.count, by: Self.pieceBytes).map { start in
                Piece(tensor: index, bytes: start..<min(start + Self.pieceBytes, tensor.bytes.count))
            }
        }
    }

    /// Bytes of the tensors whose names meet a condition.
    func byteCount(where isIncluded: (String) -> Bool) -> Int {
        tensors.reduce(0) { $0 + (isIncluded($1.name) ? $1.bytes.count : 0) }
    }

    /// Reads everything once.
    func seconds() -> Double {
        triptych.seconds {
            let next = Atomic<Int>(0)
            let total = Atomic<UInt64>(0)
            DispatchQueue.concurrentPerform(iterations: ComputePool.shared.threads) { _ in
                var sum: UInt64 = 0
                while true {
                    let index = next.add(1, ordering: .relaxed).oldValue
                    guard index < pieces.count else { break }
                    sum &+= Self.sum(tensors[pieces[index].tensor].bytes[pieces[index].bytes])
                }
                // Somebody must want the sum, or the compiler drops the reading.
                total.wrappingAdd(sum, ordering: .relaxed)
            }
        }
    }

    /// The sum of all whole blocks of 256 bytes, in chains that don't wait for each other.
    private static func sum(_ bytes: Slice<UnsafeRawBufferPointer>) -> UInt64 {
        typealias Block = SIMD32<UInt64>
        let bytes = UnsafeRawBufferPointer(rebasing: bytes)
        var sum = Block.zero
        for start in stride(from: 0, to: bytes.count - MemoryLayout<Block>.size + 1, by: MemoryLayout<Block>.size) {
            sum &+= bytes.loadUnaligned(fromByteOffset: start, as: Block.self)
        }
        return sum.wrappedSum()
    }
}
