/// A dense float32 array, row-major, with value semantics: copies share storage until one of them is changed.
///
/// Images are channels last, [batch, height, width, channels]; sequences are [batch, rows, width].
/// `@unchecked Sendable`: shared storage is never written (see `TensorStorage`).
package struct Tensor: @unchecked Sendable {
    var storage: TensorStorage
    /// Where this tensor's first element lies in its storage.
    var offset: Int
    /// Lengths of the dimensions, outermost first.
    package let shape: [Int]
    /// The number of elements.
    package let count: Int

    init(storage: TensorStorage, offset: Int, shape: [Int]) {
        let count = shape.reduce(1, *)
        precondition(offset >= 0 && offset + count <= storage.capacity, "a tensor lies inside its storage")
        self.storage = storage
        self.offset = offset
        self.shape = shape
        self.count = count
    }

    /// A tensor holding `values` in row-major order.
    package init(_ values: [Float], shape: [Int]) {
        self = .uninitialized(shape)
        precondition(values.count == count, "\(values.count) values for shape \(shape)")
        values.withUnsafeBufferPointer { values in
            guard let source = values.baseAddress else { return }
            storage.pointer.update(from: source, count: values.count)
        }
    }

    /// Zeros.
    package static func zeros(_ shape: [Int]) -> Tensor {
        let tensor = uninitialized(shape)
        tensor.storage.pointer.update(repeating: 0, count: tensor.count)
        return tensor
    }

    /// Memory whose values are arbitrary until they are written.
    package static func uninitialized(_ shape: [Int]) -> Tensor {
        precondition(shape.allSatisfy { $0 >= 0 }, "negative dimension in \(shape)")
        return Tensor(storage: TensorStorage(count: shape.reduce(1, *)), offset: 0, shape: shape)
    }

    /// The first element; valid while the tensor lives, writable only right after `uninitialized`.
    var pointer: UnsafeMutablePointer<Float> { storage.pointer + offset }

    /// The values in row-major order.
    package var array: [Float] { withUnsafeBufferPointer { Array($0) } }

    /// Reads the values in place.
    package func withUnsafeBufferPointer<Result, Failure: Error>(
        _ body: (UnsafeBufferPointer<Float>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // The storage must outlive the pointer, and `self` alone does not promise that.
        defer { withExtendedLifetime(storage) {} }
        return try body(UnsafeBufferPointer(start: pointer, count: count))
    }

    /// Changes the values in place, after a copy if others share them.
    package mutating func withUnsafeMutableBufferPointer<Result, Failure: Error>(
        _ body: (UnsafeMutableBufferPointer<Float>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        makeUnique()
        defer { withExtendedLifetime(storage) {} }
        return try body(UnsafeMutableBufferPointer(start: pointer, count: count))
    }

    /// Copies shared storage before a change.
    mutating func makeUnique() {
        guard !isKnownUniquelyReferenced(&storage) else { return }
        let copy = TensorStorage(count: count)
        copy.pointer.update(from: pointer, count: count)
        storage = copy
        offset = 0
    }
}
