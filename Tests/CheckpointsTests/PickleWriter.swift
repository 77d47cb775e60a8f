/// Writes pieces of pickles; a test joins them into well-formed ones and others.
enum PickleWriter {
    static let mark: [UInt8] = [0x28]
    static let stop: [UInt8] = [0x2E]
    static let none: [UInt8] = [0x4E]
    static let emptyTuple: [UInt8] = [0x29]
    static let emptyDictionary: [UInt8] = [0x7D]
    static let emptyList: [UInt8] = [0x5D]
    static let reduce: [UInt8] = [0x52]
    static let build: [UInt8] = [0x62]
    static let orderedDictionary = global("collections", "OrderedDict") + emptyTuple + reduce

    /// A whole pickle that holds one value.
    static func program(_ value: [UInt8], version: UInt8 = 2) -> [UInt8] { [0x80, version] + value + stop }

    static func text(_ text: String) -> [UInt8] { [0x58] + littleEndian(UInt32(text.utf8.count)) + Array(text.utf8) }

    static func integer(_ number: Int) -> [UInt8] { [0x8A, 8] + littleEndian(UInt64(bitPattern: Int64(number))) }

    static func bool(_ value: Bool) -> [UInt8] { [value ? 0x88 : 0x89] }

    static func float(_ number: Double) -> [UInt8] { [0x47] + littleEndian(number.bitPattern).reversed() }

    static func tuple(_ elements: [[UInt8]]) -> [UInt8] { mark + elements.joined() + [0x74] }

    static func list(_ elements: [[UInt8]]) -> [UInt8] { emptyList + mark + elements.joined() + [0x65] }

    static func global(_ module: String, _ name: String) -> [UInt8] { [0x63] + Array("\(module)\n\(name)\n".utf8) }

    /// As protocol 4 spells names.
    static func stackGlobal(_ module: String, _ name: String) -> [UInt8] { text(module) + text(name) + [0x93] }

    static func put(_ index: UInt8) -> [UInt8] { [0x71, index] }

    static func get(_ index: UInt8) -> [UInt8] { [0x68, index] }

    static func dictionary(_ members: [(String, [UInt8])], in container: [UInt8] = emptyDictionary) -> [UInt8] {
        container + mark + members.flatMap { text($0.0) + $0.1 } + [0x75]
    }

    static func storage(_ key: String, _ type: String = "FloatStorage", count: Int) -> [UInt8] {
        tuple([text("storage"), global("torch", type), text(key), text("cpu"), integer(count)]) + [0x51]
    }

    /// The call that makes a tensor.
    static func tensor(
        _ storage: [UInt8],
        offset: Int = 0,
        shape: [Int],
        strides: [Int],
        hooks: [UInt8] = orderedDictionary,
        metadata: [UInt8]? = nil
    ) -> [UInt8] {
        let sizes = [tuple(shape.map(integer)), tuple(strides.map(integer))]
        return global("torch._utils", "_rebuild_tensor_v2")
            + tuple([storage, integer(offset)] + sizes + [bool(false), hooks] + (metadata.map { [$0] } ?? []))
            + reduce
    }

    private static func littleEndian(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
}
