import CTriptychKernels

extension Tensor {
    /// Rows `ids` of an embedding table [vocabulary, width], widened: [ids.count, width]. Every id must be in the table;
    /// the caller has checked those that came from outside.
    package static func embedding(_ table: StoredTensor, ids: [Int]) -> Tensor {
        let (vocabulary, width) = (table.shape[0], table.shape[1])
        let result = Tensor.uninitialized([ids.count, width])
        table.withBytes { bytes in
            for (row, id) in ids.enumerated() {
                precondition(id >= 0 && id < vocabulary, "id \(id) in a table of \(vocabulary)")
                Kernels.active.widen(
                    table.kernelCode,
                    bytes + id * width * table.dtype.byteCount,
                    result.pointer + row * width,
                    width
                )
            }
        }
        return result
    }
}
