import COpenBLAS
import CTriptychKernels

extension LinearProduct {
    /// OpenBLAS multiplies where our tiles are portable C only, which means arm64, whose tiles it has tuned by hand.
    ///
    /// Elsewhere our tiles do it: GFLOP/s of one Zen 5 thread at 512 × 2048 × 1024 (and bfloat16 weights, widened on the
    /// way), best of five, OpenBLAS 0.3.21 forced to the same instructions: SSE 41 (OpenBLAS 43), AVX2 110 (117), AVX-512
    /// 197 to 230 (210). Left to itself this OpenBLAS does not know Zen 5 and takes its AVX2 kernels; and only our tiles
    /// promise the same bytes for every number of rows.
    ///
    /// The pool's threads call it, each single-threaded, once per item, so that its choice of kernel sees one item only.
    /// That costs nothing: 512 × 2048 × 2048 on two threads 133 GFLOP/s, with OpenBLAS' own threads 131.
    func byBLAS() {
        _ = Self.useOneThread
        // Weights of one call: 4 MiB when widened.
        let columns = Blocks(of: outputs, atMost: max(16, min(256, (1 << 20) / depth)), grain: 16)
        weight.matrix.withBytes { matrix in
            pool.run(items: columns.count) { item, scratch in
                let range = columns[item]
                let stored = matrix + range.lowerBound * depth * weight.matrix.dtype.byteCount
                let weights: UnsafePointer<Float>
                if weight.matrix.dtype == .float32 {
                    weights = stored.assumingMemoryBound(to: Float.self)
                } else {
                    let widened = scratch.floats(range.count * depth)
                    Kernels.active.widen(weight.matrix.kernelCode, stored, widened, range.count * depth)
                    weights = UnsafePointer(widened)
                }
                for first in stride(from: 0, to: rows, by: rowsOfItem) {
                    cblas_sgemm(
                        CblasRowMajor,
                        CblasNoTrans,
                        CblasTrans,
                        Int32(rowsOfItem),
                        Int32(range.count),
                        Int32(depth),
                        1,
                        source + first * depth,
                        Int32(depth),
                        weights,
                        Int32(depth),
                        0,
                        target + first * outputs + range.lowerBound,
                        Int32(outputs)
                    )
                }
                finish.apply(
                    to: target,
                    offset: range.lowerBound,
                    width: outputs,
                    rows: rows,
                    columns: range.count
                )
            }
        }
    }

    private static let useOneThread: Void = openblas_set_num_threads(1)
}
