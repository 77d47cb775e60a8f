import CTriptychKernels
import Dispatch

/// What computes here, and what it can do at best: the scale that benchmarks are drawn on.
package enum ComputeLimits {
    /// The instruction set of the kernels in use: baseline, avx2 or avx512.
    package static var instructionSet: String { Kernels.selected.name }

    /// Float32 multiplications and additions a second, all threads of the pool together, measured for some 50 ms.
    package static func multiplyAddRate() -> Double {
        let (kernels, threads) = (Kernels.active, ComputePool.shared.threads)
        let rounds = 5_000_000
        let seconds = seconds { ComputePool.shared.run(items: threads) { _ in sink(kernels.multiply_adds(rounds)) } }
        return Double(threads * rounds * kernels.lanes * 12 * 2) / seconds
    }

    /// Bytes a second that all threads of the pool together read from memory outside the caches.
    package static func memoryReadRate() -> Double {
        let kernels = Kernels.active
        let buffer = Tensor.zeros([1 << 27])
        let perItem = 1 << 18
        return buffer.withUnsafeBufferPointer { values in
            let base = values.baseAddress.unsafelyUnwrapped
            let seconds = seconds {
                ComputePool.shared.run(items: values.count / perItem) { item in
                    sink(kernels.read_all(base + item * perItem, perItem))
                }
            }
            return Double(values.count * 4) / seconds
        }
    }

    private static func seconds(_ body: () -> Void) -> Double {
        let start = DispatchTime.now().uptimeNanoseconds
        body()
        return Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
    }

    /// Keeps a result, and with it the work, from being optimised away.
    @inline(never)
    private static func sink(_ value: Float) {}
}
