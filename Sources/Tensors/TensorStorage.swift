/// The memory of one or more tensors: float32, aligned to 64 bytes.
///
/// `@unchecked Sendable`: the bytes are written only by `Tensor`'s mutating methods, which require unique ownership, and
/// by operations that fill a storage before anyone else can hold it.
final class TensorStorage: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<Float>
    let capacity: Int

    /// Uninitialised room for `count` floats.
    init(count: Int) {
        capacity = count
        let raw = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1) * 4, alignment: 64)
        pointer = raw.bindMemory(to: Float.self, capacity: max(count, 1))
    }

    deinit { UnsafeMutableRawPointer(pointer).deallocate() }
}
