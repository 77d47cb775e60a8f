/// Reads little-endian numbers and runs of bytes, one after the other and never beyond the end.
struct ByteReader {
    struct EndOfBytes: Error {}

    private let bytes: ArraySlice<UInt8>
    private var position: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    /// How many bytes were read.
    var offset: Int { position - bytes.startIndex }
    var remaining: Int { bytes.endIndex - position }

    mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws(EndOfBytes) -> Value {
        let magnitude = try take(Value.bitWidth / 8).reversed().reduce(Value.Magnitude(0)) { $0 << 8 | .init($1) }
        return Value(truncatingIfNeeded: magnitude)
    }

    /// - Parameter count: as large as a file may claim
    mutating func take(_ count: some BinaryInteger) throws(EndOfBytes) -> ArraySlice<UInt8> {
        guard count >= 0, count <= remaining else { throw EndOfBytes() }
        defer { position += Int(count) }
        return bytes[position..<position + Int(count)]
    }

    /// A line without its newline.
    mutating func line() throws(EndOfBytes) -> ArraySlice<UInt8> {
        guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) else { throw EndOfBytes() }
        defer { position = end + 1 }
        return bytes[position..<end]
    }
}
