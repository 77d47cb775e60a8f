import CTriptychKernels
import Glibc

extension Attention {
    /// Keys of one piece of work; their number never depends on load, so neither do the sums.
    private static let keysPerSplit = 256

    /// Few rows against many keys (decoding): keys and values are read once for all heads that share them, and long
    /// caches are split so that one row keeps all threads busy. The splits are joined in their order.
    func byRows() {
        let splits = keys.map { ($0.shape[0] + Self.keysPerSplit - 1) / Self.keysPerSplit }.max() ?? 1
        // Per query head and split: headWidth sums, then maximum and total.
        let stride = headWidth + 2
        let partial = Tensor.uninitialized([keys.count * rows * heads * splits * stride])
        let tasks = keys.count * rows * keyValueHeads * splits
        let perItem = max(1, 65_536 / (Self.keysPerSplit * headWidth * group))
        ComputePool.shared.run(items: (tasks + perItem - 1) / perItem) { item, scratch in
            let scores = scratch.floats(group * Self.keysPerSplit)
            for task in item * perItem..<min((item + 1) * perItem, tasks) {
                let (split, unit) = (task % splits, task / splits)
                let (shared, row) = (unit % keyValueHeads, unit / keyValueHeads)
                attend(
                    item: row / rows,
                    row: row % rows,
                    shared: shared,
                    split: split,
                    scores: scores,
                    partial: partial.pointer + ((row * heads + shared * group) * splits + split) * stride,
                    partialStride: splits * stride
                )
            }
        }
        for row in 0..<keys.count * rows {
            let count = (visible(item: row / rows, row: row % rows) + Self.keysPerSplit - 1) / Self.keysPerSplit
            for head in 0..<heads {
                join(
                    partial.pointer + (row * heads + head) * splits * stride,
                    count: count,
                    into: target + (row * heads + head) * headWidth
                )
            }
        }
    }

    private func attend(
        item: Int,
        row: Int,
        shared: Int,
        split: Int,
        scores: UnsafeMutablePointer<Float>,
        partial: UnsafeMutablePointer<Float>,
        partialStride: Int
    ) {
        let first = split * Self.keysPerSplit
        let count = min(Self.keysPerSplit, visible(item: item, row: row) - first)
        guard count > 0 else { return }
        let kernels = Kernels.active
        kernels.dot_rows(
            queries + offset(item: item, row: row, head: shared * group),
            headWidth,
            group,
            Int32(TK_FLOAT32),
            keys[item].pointer + first * keyStride + shared * headWidth,
            keyStride,
            count,
            headWidth,
            scores,
            count
        )
        for member in 0..<group {
            let statistics = partial + member * partialStride + headWidth
            statistics[1] = kernels.softmax_row(scores + member * count, count, scale, statistics)
        }
        kernels.weighted_sums(
            scores,
            count,
            group,
            values[item].pointer + first * keyStride + shared * headWidth,
            keyStride,
            count,
            headWidth,
            partial,
            partialStride
        )
    }

    /// Joins the splits of one head: sums with their own maxima are brought to the largest one.
    private func join(_ partial: UnsafePointer<Float>, count: Int, into output: UnsafeMutablePointer<Float>) {
        let stride = headWidth + 2
        var top = -Float.infinity
        for split in 0..<count { top = max(top, partial[split * stride + headWidth]) }
        var total: Float = 0
        output.update(repeating: 0, count: headWidth)
        for split in 0..<count {
            let sums = partial + split * stride
            let factor = expf(sums[headWidth] - top)
            total += factor * sums[headWidth + 1]
            Kernels.active.add_scaled(sums, factor, output, headWidth)
        }
        Kernels.active.scale(output, 1 / total, output, headWidth)
    }
}
