import Foundation

/// Writes zip archives as `torch.save` does, and others.
struct ZipWriter {
    struct Entry {
        var name: String
        var data: [UInt8]
        var method: UInt16 = 0
        var flags: UInt16 = 0x0808
        /// What the directory says instead of the truth.
        var claimedSize: UInt64?
        var claimedStoredSize: UInt64?
        var claimedOffset: UInt64?
        /// The name in front of the data, where it is another one.
        var localName: String?
    }

    var entries: [Entry]
    /// Puts sizes and places into zip64 fields, as is done from 4 GB on.
    var isWide = false
    var alignment = 64
    var claimedCount: Int?
    var claimedDirectoryOffset: Int?
    var comment: [UInt8] = []

    init(_ entries: [Entry]) { self.entries = entries }

    /// A file of `torch.save` with this pickle and these storages.
    init(pickle: [UInt8], storages: [(key: String, bytes: [UInt8])] = [], byteOrder: String? = "little") {
        entries = [Entry(name: "archive/data.pkl", data: pickle)]
        if let byteOrder { entries.append(Entry(name: "archive/byteorder", data: Array(byteOrder.utf8))) }
        entries += storages.map { Entry(name: "archive/data/\($0.key)", data: $0.bytes) }
        entries.append(Entry(name: "archive/version", data: Array("3\n".utf8)))
    }

    func file() -> Data {
        var file: [UInt8] = []
        var directory: [UInt8] = []
        for entry in entries {
            let offset = file.count
            append(entry, to: &file)
            list(entry, offset: offset, in: &directory)
        }
        let start = claimedDirectoryOffset ?? file.count
        let count = claimedCount ?? entries.count
        let directoryCount = directory.count
        file += directory
        if isWide {
            let record = file.count
            put(UInt32(0x0606_4B50), UInt64(44), UInt16(45), UInt16(45), UInt32(0), UInt32(0), into: &file)
            put(UInt64(count), UInt64(count), UInt64(directoryCount), UInt64(start), into: &file)
            put(UInt32(0x0706_4B50), UInt32(0), UInt64(record), UInt32(1), into: &file)
        }
        let narrow = UInt16(truncatingIfNeeded: isWide ? 0xFFFF : count)
        put(UInt32(0x0605_4B50), UInt16(0), UInt16(0), narrow, narrow, into: &file)
        put(isWide ? .max : UInt32(directoryCount), isWide ? .max : UInt32(truncatingIfNeeded: start), into: &file)
        put(UInt16(comment.count), into: &file)
        return Data(file + comment)
    }

    /// The entry's own header with padding, its data, and the data's descriptor.
    private func append(_ entry: Entry, to file: inout [UInt8]) {
        let name = Array((entry.localName ?? entry.name).utf8)
        let bare = file.count + 30 + name.count + 4
        let padding = alignment > 0 ? (alignment - bare % alignment) % alignment : 0
        put(UInt32(0x0403_4B50), UInt16(0), entry.flags, entry.method, UInt32(0), UInt32(0), UInt64(0), into: &file)
        put(UInt16(name.count), UInt16(alignment > 0 ? padding + 4 : 0), into: &file)
        file += name
        if alignment > 0 {
            put(UInt16(0x4246), UInt16(padding), into: &file)
            file += Array(repeating: UInt8(ascii: "Z"), count: padding)
        }
        file += entry.data
        put(UInt32(0x0807_4B50), UInt32(0), UInt32(entry.data.count), UInt32(entry.data.count), into: &file)
    }

    private func list(_ entry: Entry, offset: Int, in directory: inout [UInt8]) {
        let size = entry.claimedSize ?? UInt64(entry.data.count)
        let stored = entry.claimedStoredSize ?? size
        let offset = entry.claimedOffset ?? UInt64(offset)
        put(UInt32(0x0201_4B50), UInt32(0), entry.flags, entry.method, UInt32(0), UInt32(0), into: &directory)
        put(isWide ? .max : UInt32(truncatingIfNeeded: stored), into: &directory)
        put(isWide ? .max : UInt32(truncatingIfNeeded: size), into: &directory)
        put(UInt16(entry.name.utf8.count), UInt16(isWide ? 28 : 0), UInt16(0), UInt64(0), into: &directory)
        put(isWide ? .max : UInt32(truncatingIfNeeded: offset), into: &directory)
        directory += Array(entry.name.utf8)
        if isWide { put(UInt16(1), UInt16(24), size, stored, offset, into: &directory) }
    }

    private func put<each Number: FixedWidthInteger>(_ numbers: repeat each Number, into bytes: inout [UInt8]) {
        for number in repeat each numbers {
            withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
        }
    }
}
