import Tensors

extension Tensor {
    /// A range of the last dimension, as a copy.
    func channels(_ range: Range<Int>) -> Tensor {
        let axes = Array(shape.indices)
        let last = axes.count - 1
        return permuted([last] + axes.dropLast())[range].permuted(Array(axes.dropFirst()) + [0])
    }

    /// A rectangle of every picture of [batch, height, width, channels], as a copy.
    func cropped(rows: Range<Int>, columns: Range<Int>) -> Tensor {
        permuted([1, 0, 2, 3])[rows]  // [rows, batch, width, channels]
            .permuted([2, 1, 0, 3])[columns]  // [columns, batch, rows, channels]
            .permuted([1, 2, 0, 3])
    }

    /// [n, …] → [count × n, …]: the whole batch, `count` times.
    func repeated(_ count: Int) -> Tensor {
        count == 1 ? self : .concatenated(Array(repeating: self, count: count), axis: 0)
    }
}
