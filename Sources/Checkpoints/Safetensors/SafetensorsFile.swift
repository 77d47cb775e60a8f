package import Foundation
package import Tensors

/// One memory-mapped safetensors file, its header checked before any tensor is handed out.
package struct SafetensorsFile: TensorFile {
    /// The format's own limit. Hub checkpoints stay below a few megabytes.
    static let maximumHeaderBytes = 100_000_000

    package let url: URL
    package let metadata: [String: String]
    /// In the order of the header.
    package let tensors: [StoredTensor]
    package let byteCount: Int
    /// Of the header's bytes and the file's size.
    package let fingerprint: Fingerprint
    private let file: MappedFile

    /// - Throws: `CheckpointError.unreadableFile` or `.malformedFile`.
    package init(_ url: URL) throws(CheckpointError) {
        let file = try MappedFile(url)
        func malformed(_ reason: String) -> CheckpointError { .malformedFile(file: url.path, reason: reason) }

        guard file.bytes.count >= 8 else { throw malformed("too short for a safetensors header") }
        let length = UInt64(littleEndian: file.bytes.loadUnaligned(as: UInt64.self))
        guard length <= Self.maximumHeaderBytes else {
            throw malformed("header of \(length) bytes is beyond the format's limit")
        }
        let headerCount = Int(length)
        guard headerCount <= file.bytes.count - 8 else {
            throw malformed("header of \(length) bytes is longer than the file")
        }
        let data = UnsafeRawBufferPointer(rebasing: file.bytes[(8 + headerCount)...])
        let header: SafetensorsHeader
        do {
            header = try SafetensorsHeader(
                scanning: UnsafeRawBufferPointer(rebasing: file.bytes[8..<(8 + headerCount)])
            )
            try header.validate(dataCount: data.count)
        } catch {
            throw malformed(error.reason)
        }
        self.url = url
        self.file = file
        metadata = header.metadata
        byteCount = file.bytes.count
        tensors = header.entries.map { Self.tensor($0, data, file) }
        var fingerprint = Fingerprint()
        fingerprint.combine(file.bytes[..<(8 + headerCount)])
        fingerprint.combine(file.bytes.count)
        self.fingerprint = fingerprint
    }

    package func releasePages() { file.releasePages() }

    /// A view into the mapping; a copy where an old writer left the data unaligned.
    private static func tensor(
        _ entry: SafetensorsHeader.Entry,
        _ data: UnsafeRawBufferPointer,
        _ file: MappedFile
    ) -> StoredTensor {
        let bytes = UnsafeRawBufferPointer(rebasing: data[entry.offsets])
        let isAligned = Int(bitPattern: bytes.baseAddress) % entry.dtype.byteCount == 0
        guard !isAligned, bytes.count > 0 else {
            return StoredTensor(name: entry.name, dtype: entry.dtype, shape: entry.shape, bytes: bytes, owner: file)
        }
        let copy = OwnedBytes(bytes)
        return StoredTensor(name: entry.name, dtype: entry.dtype, shape: entry.shape, bytes: copy.bytes, owner: copy)
    }
}
