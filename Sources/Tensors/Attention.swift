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
        precondition(width % heads == 0 && heads % keyValueHeads == 0, "\(heads) heads for \(shape)")
        precondition(keys.count == batch && values.count == batch, "\(keys.count) keys for \(shape)")
        for (key, value) in zip(keys, values) {
            precondition(
                key.count == value.count && key.leadingStride == keyValueHeads * headWidth
                    && value.leadingStride == key.leadingStride,
                "keys \(key.shape), values \(value.shape) for \(shape)"
            )
            precondition(key.shape[0] >= (causal ? rows : 1), "\(key.shape[0]) keys for \(rows) rows")
        }
        let result = Tensor.uninitialized(shape)
        guard result.count > 0 else { return result }
        let attention = Attention(
            queries: pointer,
            keys: keys,
            values: values,
            target: result.pointer,
            rows: rows,
            heads: heads,
            keyValueHeads: keyValueHeads,
            headWidth: headWidth,
            scale: scale,
            causal: causal
        )
        withExtendedLifetime(storage) {
            // Chosen by the rows of one item, so that the batch leaves no trace.
            if rows < 4 { attention.byRows() } else { attention.byTiles() }
        }
        return result
    }
}

/// One attention operation.
struct Attention {
    let queries: UnsafePointer<Float>
    let keys: [Tensor]
    let values: [Tensor]
    let target: UnsafeMutablePointer<Float>
    let rows: Int
    let heads: Int
    let keyValueHeads: Int
    let headWidth: Int
    let scale: Float
    let causal: Bool

    /// Query heads that share keys and values.
    var group: Int { heads / keyValueHeads }
    /// Floats from one key to the next.
    var keyStride: Int { keyValueHeads * headWidth }

    /// Where head `head` of a row begins, in queries and target.
    func offset(item: Int, row: Int, head: Int) -> Int { ((item * rows + row) * heads + head) * headWidth }

    /// How many keys a row sees.
    func visible(item: Int, row: Int) -> Int {
        let length = keys[item].shape[0]
        return causal ? length - rows + row + 1 : length
    }
}
