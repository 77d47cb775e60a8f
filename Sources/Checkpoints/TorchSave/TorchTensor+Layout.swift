/// Where the elements of a view lie in its storage.
extension TorchTensor {
    /// The number of elements, all of which lie within the storage.
    /// - Throws: `FormatError` where a size, stride or offset is negative, doesn't fit the others or leads outside.
    func checkedCount() throws(FormatError) -> Int {
        guard strides.count == shape.count else { throw FormatError("shape \(shape) has strides \(strides)") }
        guard offset >= 0, shape.allSatisfy({ $0 >= 0 }), strides.allSatisfy({ $0 >= 0 }) else {
            throw FormatError("shape \(shape), strides \(strides) or offset \(offset) is negative")
        }
        // Sizes beside a zero are checked, too: no product of a part of the shape overflows later.
        let (_, overflow) = Self.product(shape.filter { $0 > 0 })
        guard !overflow else { throw FormatError("shape \(shape) overflows") }
        guard !shape.contains(0) else { return 0 }
        var last = offset
        for (size, stride) in zip(shape, strides) {
            let (reach, overflow) = (size - 1).multipliedReportingOverflow(by: stride)
            let (sum, overflowToo) = last.addingReportingOverflow(reach)
            guard !overflow, !overflowToo else { throw FormatError("strides \(strides) of \(shape) overflow") }
            last = sum
        }
        guard last < storage.count else {
            throw FormatError("element \(last) lies outside storage \(storage.key) of \(storage.count) elements")
        }
        return shape.reduce(1, *)
    }

    private static func product(_ sizes: [Int]) -> (Int, overflow: Bool) {
        var product = 1
        for size in sizes {
            let (next, overflow) = product.multipliedReportingOverflow(by: size)
            guard !overflow else { return (0, true) }
            product = next
        }
        return (product, false)
    }

    /// Whether the elements follow one another in order. The stride of a dimension of size 1 means nothing: PyTorch
    /// itself leaves odd ones there.
    var isContiguous: Bool {
        var expected = 1
        for (size, stride) in zip(shape, strides).reversed() where size != 1 {
            guard stride == expected else { return false }
            expected *= size
        }
        return true
    }

    /// Copies the elements in order; `checkedCount` must have found them within the storage.
    func gather(from storage: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer, elementSize: Int) {
        switch elementSize {
        case 1: gather(UInt8.self, storage, result)
        case 2: gather(UInt16.self, storage, result)
        case 4: gather(UInt32.self, storage, result)
        default: gather(UInt64.self, storage, result)
        }
    }

    private func gather<Element: FixedWidthInteger>(
        _ type: Element.Type,
        _ storage: UnsafeRawBufferPointer,
        _ result: UnsafeMutableRawBufferPointer
    ) {
        let source = storage.assumingMemoryBound(to: Element.self)
        let target = result.bindMemory(to: Element.self)
        // Strides of dimensions of size 1 may be any number, and no element needs them.
        let dimensions = zip(shape, strides).filter { $0.0 != 1 }.map { (size: $0.0, stride: $0.1) }
        var index = Array(repeating: 0, count: dimensions.count)
        var position = offset
        for element in 0..<target.count {
            target[element] = source[position]
            for (dimension, (size, stride)) in dimensions.enumerated().reversed() {
                index[dimension] += 1
                position += stride
                guard index[dimension] == size else { break }
                index[dimension] = 0
                position -= size * stride
            }
        }
    }
}
