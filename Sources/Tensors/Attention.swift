import CTriptychKernels

extension Tensor {
    /// Scaled dot-product attention by online softmax: no matrix of rows × keys is ever whole in memory.
    ///
    /// Queries [batch, rows, heads × headWidth]; `keys[i]` and `values[i]` [length_i, keyValueHeads × headWidth] belong
    /// to item i, heads / keyValueHeads neighbouring query heads share one of theirs. With `causal`, row r of item i sees
    /// keys j ≤ length_i − rows + r.
    package func attended(
        keys: [Tensor],
        values: [Tensor],
        heads: Int,
        keyValueHeads: Int,
        scale: Float,
        causal: Bool
    ) -> Tensor {
        let (batch, rows, width) = (shape[0], shape[1], shape[2])
        let headWidth = width / heads
        let stride = keyValueHeads * headWidth
        precondition(width % heads == 0 && heads % keyValueHeads == 0, "\(heads) heads for \(shape)")
        precondition(keys.count == batch && values.count == batch, "\(keys.count) keys for \(shape)")
        for (key, value) in zip(keys, values) {
            precondition(
                key.count == value.count && key.leadingStride == stride && value.leadingStride == stride,
                "keys \(key.shape), values \(value.shape) for \(shape)"
            )
            precondition(key.shape[0] >= (causal ? rows : 1), "\(key.shape[0]) keys for \(rows) rows")
        }
        let result = Tensor.uninitialized(shape)
        let (source, target) = (UnsafePointer(pointer), result.pointer)
        withExtendedLifetime((storage, keys, values)) {
            ComputePool.shared.run(items: batch * heads * rows) { index in
                let (head, row, item) = (index % heads, index / heads % rows, index / heads / rows)
                let length = keys[item].shape[0]
                let shared = head / (heads / keyValueHeads) * headWidth
                let offset = (item * rows + row) * width + head * headWidth
                Kernels.active.attend_row(
                    source + offset,
                    keys[item].pointer + shared,
                    values[item].pointer + shared,
                    stride,
                    causal ? length - rows + row + 1 : length,
                    headWidth,
                    scale,
                    target + offset
                )
            }
        }
        return result
    }
}
