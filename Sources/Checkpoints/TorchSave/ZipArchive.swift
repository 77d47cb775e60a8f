/// Where the entries of a zip archive lie, as `torch.save` writes it: stored side by side, so that they can be used in
/// place. What torch doesn't write (compression, encryption, comments, several disks) is an error.
///
/// Section numbers are those of PKWARE's APPNOTE.TXT 6.3. Checksums are not compared: that would read every weight
/// before its first use, and a wrong weight is as harmless as one that was trained badly.
struct ZipArchive {
    /// Name and place of each entry's bytes; the places lie in the file and don't overlap.
    private(set) var entries: [String: Range<Int>] = [:]
    /// In the order of the directory.
    private(set) var names: [String] = []

    /// - Throws: `FormatError` saying what breaks the format, and in which entry.
    init(_ file: UnsafeRawBufferPointer) throws(FormatError) {
        let directory: Directory
        do {
            directory = try Directory(file)
        } catch is ByteReader.EndOfBytes {
            throw FormatError("the archive's directory is cut off")
        } catch let error as FormatError {
            throw error
        } catch {
            throw FormatError("\(error)")
        }
        var occupied: [(name: String, range: Range<Int>)] = []
        for header in directory.headers {
            let (start, data) = try header.locate(in: file, before: directory.offset)
            guard entries.updateValue(data, forKey: header.name) == nil else {
                throw FormatError("\(header.name) appears twice in the archive")
            }
            names.append(header.name)
            occupied.append((header.name, start..<data.upperBound))
        }
        occupied.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        for (first, second) in zip(occupied, occupied.dropFirst())
        where second.range.lowerBound < first.range.upperBound {
            throw FormatError("\(first.name) and \(second.name) overlap")
        }
    }
}

/// The central directory at the end of an archive.
private struct Directory {
    /// Real ones have 100 bytes for each of some thousand tensors.
    private static let maximumBytes = 64 << 20

    /// Its first byte in the file.
    let offset: Int
    private(set) var headers: [EntryHeader] = []

    /// Sections 4.3.14 to 4.3.16: the end record is the last thing in the file; where its fields are too narrow, a
    /// locator before it leads to a wider record.
    init(_ file: UnsafeRawBufferPointer) throws {
        let endOffset = file.count - 22
        guard endOffset >= 0 else { throw FormatError("too short for a zip archive") }
        var end = ByteReader(file[endOffset...].bytes)
        guard try end.integer(UInt32.self) == 0x0605_4B50 else {
            throw FormatError("no zip archive ends here: the file is cut off or of another kind")
        }
        var disks = try [UInt32(end.integer(UInt16.self)), UInt32(end.integer(UInt16.self))]
        var counts = try [UInt64(end.integer(UInt16.self)), UInt64(end.integer(UInt16.self))]
        var size = try UInt64(end.integer(UInt32.self))
        var start = try UInt64(end.integer(UInt32.self))
        var limit = endOffset
        if disks.contains(0xFFFF) || counts.contains(0xFFFF) || size == 0xFFFF_FFFF || start == 0xFFFF_FFFF {
            let locatorOffset = endOffset - 20
            guard locatorOffset >= 0 else { throw ByteReader.EndOfBytes() }
            var locator = ByteReader(file[locatorOffset..<endOffset].bytes)
            guard try locator.integer(UInt32.self) == 0x0706_4B50, try locator.integer(UInt32.self) == 0,
                let recordOffset = try Int(exactly: locator.integer(UInt64.self)),
                recordOffset >= 0, recordOffset <= locatorOffset - 56
            else { throw FormatError("the archive has no valid zip64 locator") }
            var record = ByteReader(file[recordOffset..<recordOffset + 56].bytes)
            guard try record.integer(UInt32.self) == 0x0606_4B50 else {
                throw FormatError("the archive has no zip64 record where its locator says")
            }
            _ = try record.take(12)
            disks = try [record.integer(UInt32.self), record.integer(UInt32.self)]
            counts = try [record.integer(UInt64.self), record.integer(UInt64.self)]
            size = try record.integer(UInt64.self)
            start = try record.integer(UInt64.self)
            limit = recordOffset
        }
        guard disks == [0, 0], counts[0] == counts[1] else {
            throw FormatError("the archive is split over several disks")
        }
        guard size <= Self.maximumBytes else { throw FormatError("the archive's directory claims \(size) bytes") }
        guard start <= limit, size <= UInt64(limit) - start else {
            throw FormatError("the archive's directory lies outside the file")
        }
        offset = Int(start)
        var reader = ByteReader(file[offset..<offset + Int(size)].bytes)
        while reader.remaining > 0 { headers.append(try EntryHeader(&reader)) }
        guard counts[0] == headers.count else {
            throw FormatError("the archive claims \(counts[0]) entries and lists \(headers.count)")
        }
    }
}

/// What the central directory says of one entry (section 4.3.12).
private struct EntryHeader {
    let name: String
    private let nameBytes: ArraySlice<UInt8>
    private var size: UInt64
    private var offset: UInt64

    init(_ reader: inout ByteReader) throws {
        guard try reader.integer(UInt32.self) == 0x0201_4B50 else {
            throw FormatError("the archive's directory is damaged")
        }
        _ = try reader.take(4)
        let flags = try reader.integer(UInt16.self)
        let method = try reader.integer(UInt16.self)
        _ = try reader.take(8)
        var stored = try UInt64(reader.integer(UInt32.self))
        size = try UInt64(reader.integer(UInt32.self))
        let nameCount = try reader.integer(UInt16.self)
        let extraCount = try reader.integer(UInt16.self)
        let commentCount = try reader.integer(UInt16.self)
        _ = try reader.take(8)
        offset = try UInt64(reader.integer(UInt32.self))
        nameBytes = try reader.take(nameCount)
        let extra = try reader.take(extraCount)
        _ = try reader.take(commentCount)
        guard let name = String(validating: nameBytes, as: UTF8.self), !name.isEmpty else {
            throw FormatError("an entry's name is empty or not UTF-8")
        }
        self.name = name
        guard flags & 1 == 0 else { throw FormatError("\(name) is encrypted") }
        guard method == 0 else {
            throw FormatError("\(name) is compressed (method \(method)); torch.save stores entries as they are")
        }
        try widen(&stored, extra)
        guard stored == size else {
            throw FormatError("\(name) is stored in \(stored) bytes but claims to have \(size)")
        }
    }

    /// Section 4.5.3: what doesn't fit into 32 bits stands in an extra field, in this order.
    private mutating func widen(_ stored: inout UInt64, _ extra: ArraySlice<UInt8>) throws {
        var fields = ByteReader(extra)
        while fields.remaining >= 4 {
            let kind = try fields.integer(UInt16.self)
            var field = ByteReader(try fields.take(fields.integer(UInt16.self)))
            guard kind == 1 else { continue }
            if size == 0xFFFF_FFFF { size = try field.integer(UInt64.self) }
            if stored == 0xFFFF_FFFF { stored = try field.integer(UInt64.self) }
            if offset == 0xFFFF_FFFF { offset = try field.integer(UInt64.self) }
            return
        }
    }

    /// Finds the entry's bytes behind its own header (section 4.3.7), whose padding only it knows.
    /// - Returns: the first byte of the header, and the range of the data
    func locate(in file: UnsafeRawBufferPointer, before end: Int) throws(FormatError) -> (start: Int, data: Range<Int>)
    {
        func outside() -> FormatError { FormatError("\(name) lies outside the archive") }
        guard let start = Int(exactly: offset), start <= end - 30 else { throw outside() }
        var reader = ByteReader(file[start..<start + 30].bytes)
        do {
            let signature = try reader.integer(UInt32.self)
            _ = try reader.take(4)
            let method = try reader.integer(UInt16.self)
            _ = try reader.take(16)
            let nameCount = try Int(reader.integer(UInt16.self))
            let extraCount = try Int(reader.integer(UInt16.self))
            guard signature == 0x0403_4B50, method == 0, nameCount <= end - start - 30,
                file[(start + 30)..<(start + 30 + nameCount)].elementsEqual(nameBytes)
            else { throw FormatError("\(name) is not where the archive's directory says") }
            let data = start + 30 + nameCount + extraCount
            guard data <= end, size <= UInt64(end - data) else { throw outside() }
            return (start, data..<data + Int(size))
        } catch let error as FormatError {
            throw error
        } catch {
            throw outside()
        }
    }
}

extension Slice<UnsafeRawBufferPointer> {
    /// A copy: nobody can change it while it is read.
    fileprivate var bytes: ArraySlice<UInt8> { ArraySlice(self) }
}
