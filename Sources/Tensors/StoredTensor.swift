import CTriptychKernels

/// A tensor in its stored dtype, usually a view into a memory-mapped file.
///
/// `@unchecked Sendable`: the bytes are never written, and `owner` keeps them in place.
package struct StoredTensor: @unchecked Sendable {
    /// The key in the checkpoint, for messages.
    package let name: String
    /// How the elements are stored.
    package let dtype: DType
    /// Lengths of the dimensions, outermost first.
    package let shape: [Int]
    /// The elements, row-major and little-endian.
    package let bytes: UnsafeRawBufferPointer
    private let owner: AnyObject

    /// A view of `bytes`, which `owner` keeps alive; their number must fit shape and dtype.
    package init(name: String, dtype: DType, shape: [Int], bytes: UnsafeRawBufferPointer, owner: AnyObject) {
        precondition(
            bytes.count == shape.reduce(1, *) * dtype.byteCount,
            "\(name): \(bytes.count) bytes for \(shape)"
        )
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.bytes = bytes
        self.owner = owner
    }

    /// A float32 tensor seen as a stored one; no copy.
    package init(name: String, _ tensor: Tensor) {
        self.init(
            name: name,
            dtype: .float32,
            shape: tensor.shape,
            bytes: UnsafeRawBufferPointer(UnsafeBufferPointer(start: tensor.pointer, count: tensor.count)),
            owner: tensor.storage
        )
    }

    /// The number of elements.
    package var count: Int { shape.reduce(1, *) }

    /// The same tensor under another name; no copy.
    package func named(_ name: String) -> StoredTensor {
        StoredTensor(name: name, dtype: dtype, shape: shape, bytes: bytes, owner: owner)
    }

    /// The values widened to float32; the dtype must be a floating-point one of at most 32 bits.
    package func tensor() -> Tensor {
        let result = Tensor.uninitialized(shape)
        guard result.count > 0 else { return result }
        Kernels.active.widen(kernelCode, start, result.pointer, result.count)
        return result
    }

    /// The same elements under another shape of equal count; no copy.
    package func reshaped(_ shape: [Int]) -> StoredTensor {
        StoredTensor(name: name, dtype: dtype, shape: shape, bytes: bytes, owner: owner)
    }

    /// A slice of the leading dimension; no copy.
    package func rows(_ range: Range<Int>) -> StoredTensor {
        precondition(range.lowerBound >= 0 && range.upperBound <= shape[0], "\(name): rows \(range) of \(shape)")
        let stride = shape.dropFirst().reduce(dtype.byteCount, *)
        return StoredTensor(
            name: name,
            dtype: dtype,
            shape: [range.count] + shape.dropFirst(),
            bytes: UnsafeRawBufferPointer(rebasing: bytes[range.lowerBound * stride..<range.upperBound * stride]),
            owner: owner
        )
    }

    var kernelCode: Int32 {
        guard let code = dtype.kernelCode else { preconditionFailure("\(name): no kernel computes with \(dtype)") }
        return code
    }

    /// The first byte; valid while `self` lives.
    var start: UnsafeRawPointer {
        guard let start = bytes.baseAddress else { preconditionFailure("\(name) is empty") }
        return start
    }

    /// Runs `body` while the bytes are kept in place.
    func withBytes<Result>(_ body: (UnsafeRawPointer) -> Result) -> Result {
        withExtendedLifetime(owner) { body(start) }
    }
}
