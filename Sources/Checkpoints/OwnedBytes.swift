/// Owns the bytes of a tensor that is not a view of its file.
///
/// `@unchecked Sendable`: never written after `init`.
final class OwnedBytes: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer

    /// - Parameter initialize: writes every byte
    init(count: Int, _ initialize: (UnsafeMutableRawBufferPointer) -> Void) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
        initialize(memory)
        bytes = UnsafeRawBufferPointer(memory)
    }

    /// An aligned copy.
    convenience init(_ source: UnsafeRawBufferPointer) {
        self.init(count: source.count) { $0.copyMemory(from: source) }
    }

    deinit { bytes.deallocate() }
}
