/// The one thing that decoding wants from EXIF: tag 0x0112 of the first image file directory (EXIF 2.32, 4.6.4).
enum EXIF {
    /// The orientation, or upright where the block has none or can't be read: a damaged block says nothing about the
    /// pixels.
    ///
    /// - Parameter bytes: the TIFF structure, with or without `Exif\0\0` before it (some WebP writers keep that)
    static func orientation(in bytes: UnsafeRawBufferPointer) -> Orientation {
        let mark: [UInt8] = Array("Exif\0\0".utf8)
        let tiff = bytes.starts(with: mark) ? UnsafeRawBufferPointer(rebasing: bytes.dropFirst(mark.count)) : bytes
        let reader: TIFFReader
        if tiff.starts(with: [0x49, 0x49, 0x2A, 0x00]) {
            reader = TIFFReader(bytes: tiff, isBigEndian: false)
        } else if tiff.starts(with: [0x4D, 0x4D, 0x00, 0x2A]) {
            reader = TIFFReader(bytes: tiff, isBigEndian: true)
        } else {
            return .upright
        }
        guard let directory = reader.uint32(at: 4), let entries = reader.uint16(at: directory) else { return .upright }
        for index in 0..<Int(entries) {
            let entry = directory + 2 + index * 12
            guard let tag = reader.uint16(at: entry), let type = reader.uint16(at: entry + 2) else { break }
            guard tag == 0x0112 else { continue }
            let value: UInt16? =
                switch type {
                case 3: reader.uint16(at: entry + 8)
                case 4: reader.uint32(at: entry + 8).flatMap { UInt16(exactly: $0) }
                default: nil
                }
            return value.flatMap(Orientation.init(rawValue:)) ?? .upright
        }
        return .upright
    }
}

/// Integers of a TIFF structure; `nil` beyond its end.
private struct TIFFReader {
    let bytes: UnsafeRawBufferPointer
    let isBigEndian: Bool

    func uint16(at offset: Int) -> UInt16? {
        guard offset >= 0, offset <= bytes.count - 2 else { return nil }
        let value = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
        return isBigEndian ? UInt16(bigEndian: value) : UInt16(littleEndian: value)
    }

    func uint32(at offset: Int) -> Int? {
        guard offset >= 0, offset <= bytes.count - 4 else { return nil }
        let value = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        return Int(isBigEndian ? UInt32(bigEndian: value) : UInt32(littleEndian: value))
    }
}
