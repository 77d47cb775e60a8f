import CTriptychKernels

extension Tensor {
    /// Linear attention with ReLU as its kernel (Katharopoulos et al., 2020; Sana, arXiv 2410.10629): time and memory
    /// grow with the rows, not with their square. With q and k behind their ReLU, row i becomes
    /// Σⱼ (qᵢ·kⱼ) vⱼ / (Σⱼ qᵢ·kⱼ + 1e-15), for every head by itself.
    ///
    /// Queries, keys and values are [batch, rows, heads × headWidth].
    package func linearlyAttended(keys: Tensor, values: Tensor, heads: Int) -> Tensor {
        precondition(
            shape.count == 3 && keys.shape == shape && values.shape == shape && shape[2] % heads == 0,
            "\(heads) heads, keys \(keys.shape), values \(values.shape) for \(shape)"
        )
        let (width, headWidth) = (shape[2], shape[2] / heads)
        let result = Tensor.uninitialized(shape)
        let operand = { (tensor: Tensor) in
            LinearAttention.Operand(pointer: tensor.pointer, rowStride: width, headStride: headWidth)
        }
        let attention = LinearAttention(
            queries: operand(self),
            keys: operand(keys),
            values: operand(values),
            target: result.pointer,
            batch: shape[0],
            rows: shape[1],
            heads: heads,
            headWidth: headWidth
        )
        withExtendedLifetime((storage, keys.storage, values.storage)) { attention.run() }
        return result
    }

    /// The same where a head's queries, keys and values stand side by side: [batch, rows, heads × 3 × headWidth] →
    /// [batch, rows, heads × headWidth].
    package func linearlyAttended(heads: Int) -> Tensor {
        precondition(shape.count == 3 && shape[2] % (3 * heads) == 0, "\(heads) heads for \(shape)")
        let (width, headWidth) = (shape[2], shape[2] / (3 * heads))
        let result = Tensor.uninitialized([shape[0], shape[1], heads * headWidth])
        let operand = { (part: Int) in
            LinearAttention.Operand(
                pointer: pointer + part * headWidth,
                rowStride: width,
                headStride: 3 * headWidth
            )
        }
        let attention = LinearAttention(
            queries: operand(0),
            keys: operand(1),
            values: operand(2),
            target: result.pointer,
            batch: shape[0],
            rows: shape[1],
            heads: heads,
            headWidth: headWidth
        )
        withExtendedLifetime(storage) { attention.run() }
        return result
    }
}

/// One linear attention: what keys and values of all rows add up to, Σⱼ kⱼ ⊗ (vⱼ ‖ 1), is one small matrix a head, and
/// every query is multiplied with it. The column of ones becomes the normaliser.
struct LinearAttention {
    /// Queries, keys or values of all items, rows and heads.
    struct Operand {
        let pointer: UnsafePointer<Float>
        let rowStride: Int
        let headStride: Int
    }

    let queries: Operand
    let keys: Operand
    let values: Operand
    let target: UnsafeMutablePointer<Float>
    let batch: Int
    let rows: Int
    let heads: Int
    let headWidth: Int

    /// Rows whose sums are one chain of additions: longer chains would lose digits over the thousands of rows of a
    /// picture. With 32 channels a block takes 72 KiB.
    private static let rowsPerBlock = 192

    func run() {
        ComputePool.shared.run(items: batch * heads) { unit, scratch in
            attend(item: unit / heads, head: unit % heads, scratch)
        }
    }

    private func attend(item: Int, head: Int, _ scratch: Scratch) {
        let columns = Blocking.tileColumns
        let width = headWidth + 1
        let stride = (width + columns - 1) / columns * columns
        let blocks = Blocks(of: rows, atMost: Self.rowsPerBlock)
        var room = ScratchLayout()
        let keyPart = room.reserve(blocks.size * headWidth)
        let valuePart = room.reserve(blocks.size * stride)
        let totalPart = room.reserve(headWidth * stride)
        let partialPart = room.reserve(headWidth * stride)
        let memory = scratch.floats(room.count)
        let (activated, extended) = (memory + keyPart, memory + valuePart)
        let (total, partial) = (memory + totalPart, memory + partialPart)
        // Columns behind the ones take part in the tiles, and nobody reads what comes out of them.
        memory.update(repeating: 0, count: room.count)

        for index in 0..<blocks.count {
            let block = blocks[index]
            activate(keys, item, head, block, into: activated)
            for (position, row) in block.enumerated() {
                let line = extended + position * stride
                line.update(from: values.pointer + offset(values, item, head, row), count: headWidth)
                line[headWidth] = 1
            }
            for column in Swift.stride(from: 0, to: width, by: columns) {
                Kernels.active.multiply_panels(
                    activated,
                    Blocking.tileRows,
                    Blocking.tileRows,
                    headWidth,
                    extended + column,
                    stride,
                    block.count,
                    partial + column,
                    stride,
                    headWidth,
                    min(columns, width - column),
                    false
                )
            }
            Kernels.active.add(total, partial, total, headWidth * stride)
        }
        for index in 0..<blocks.count {
            let block = blocks[index]
            activate(queries, item, head, block, into: activated)
            Kernels.active.weighted_sums(
                activated,
                headWidth,
                block.count,
                total,
                stride,
                headWidth,
                width,
                extended,
                stride
            )
            for (position, row) in block.enumerated() {
                let sums = extended + position * stride
                let output = target + ((item * rows + row) * heads + head) * headWidth
                Kernels.active.scale(sums, 1 / (sums[headWidth] + 1e-15), output, headWidth)
            }
        }
    }

    private func offset(_ operand: Operand, _ item: Int, _ head: Int, _ row: Int) -> Int {
        (item * rows + row) * operand.rowStride + head * operand.headStride
    }

    /// The ReLU of one head's rows, [row][channel].
    private func activate(
        _ operand: Operand,
        _ item: Int,
        _ head: Int,
        _ block: Range<Int>,
        into memory: UnsafeMutablePointer<Float>
    ) {
        for (position, row) in block.enumerated() {
            Kernels.active.activate(
                Activation.relu.kernelCode,
                operand.pointer + offset(operand, item, head, row),
                memory + position * headWidth,
                headWidth
            )
        }
    }
}
