extension Tensor {
    /// The same values under another shape of equal count; shares storage.
    package func reshaped(_ shape: [Int]) -> Tensor {
        precondition(shape.reduce(1, *) == count, "cannot reshape \(self.shape) to \(shape)")
        return Tensor(storage: storage, offset: offset, shape: shape)
    }

    /// A slice of the leading dimension; shares storage.
    package subscript(range: Range<Int>) -> Tensor {
        precondition(range.lowerBound >= 0 && range.upperBound <= shape[0], "rows \(range) of \(shape)")
        return Tensor(
            storage: storage,
            offset: offset + range.lowerBound * leadingStride,
            shape: [range.count] + shape.dropFirst()
        )
    }

    /// Elements of one entry of the leading dimension.
    var leadingStride: Int { shape.dropFirst().reduce(1, *) }

    /// A copy whose dimension i is dimension `axes[i]` of this tensor.
    package func permuted(_ axes: [Int]) -> Tensor {
        precondition(axes.sorted() == Array(shape.indices), "axes \(axes) for shape \(shape)")
        var strides = [Int](repeating: 1, count: shape.count)
        for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
        // Trailing dimensions that stay in place are copied as runs.
        var moved = axes.count
        while moved > 0, axes[moved - 1] == moved - 1 { moved -= 1 }
        let run = shape[moved...].reduce(1, *)
        let result = Tensor.uninitialized(axes.map { shape[$0] })
        guard result.count > 0 else { return result }
        let outer = axes[..<moved].map { (length: shape[$0], stride: strides[$0]) }
        let inner = outer.last ?? (length: 1, stride: 0)
        let outerCount = outer.dropLast().reduce(1) { $0 * $1.length }
        var index = [Int](repeating: 0, count: max(outer.count - 1, 0))
        var target = result.pointer
        withExtendedLifetime(storage) {
            for _ in 0..<outerCount {
                var source = pointer + zip(index, outer).reduce(0) { $0 + $1.0 * $1.1.stride }
                for _ in 0..<inner.length {
                    if run == 1 { target.pointee = source.pointee } else { target.update(from: source, count: run) }
                    target += run
                    source += inner.stride
                }
                for axis in index.indices.reversed() {
                    index[axis] += 1
                    if index[axis] < outer[axis].length { break }
                    index[axis] = 0
                }
            }
        }
        return result
    }

    /// The tensors one behind the other along `axis`; their other dimensions are equal.
    package static func concatenated(_ tensors: [Tensor], axis: Int) -> Tensor {
        precondition(!tensors.isEmpty, "nothing to concatenate")
        var shape = tensors[0].shape
        let outer = shape[..<axis].reduce(1, *)
        for tensor in tensors {
            precondition(
                tensor.shape[..<axis] == shape[..<axis] && tensor.shape[(axis + 1)...] == shape[(axis + 1)...],
                "shapes \(tensors.map(\.shape)) along axis \(axis)"
            )
        }
        shape[axis] = tensors.reduce(0) { $0 + $1.shape[axis] }
        let result = Tensor.uninitialized(shape)
        var target = result.pointer
        let runs = tensors.map { $0.shape[axis...].reduce(1, *) }
        for index in 0..<outer {
            for (tensor, run) in zip(tensors, runs) {
                tensor.withUnsafeBufferPointer { values in
                    guard let source = values.baseAddress else { return }
                    target.update(from: source + index * run, count: run)
                }
                target += run
            }
        }
        return result
    }

    /// Overwrites entries of the leading dimension from `start` on, in place where this tensor owns its storage alone.
    package mutating func replaceRows(at start: Int, with rows: Tensor) {
        precondition(
            start >= 0 && start + rows.shape[0] <= shape[0] && rows.leadingStride == leadingStride,
            "rows \(rows.shape) at \(start) of \(shape)"
        )
        makeUnique()
        rows.withUnsafeBufferPointer { values in
            guard let source = values.baseAddress else { return }
            (pointer + start * leadingStride).update(from: source, count: values.count)
        }
    }
}
