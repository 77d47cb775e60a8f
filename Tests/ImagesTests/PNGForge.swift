/// Writes PNG files chunk by chunk, valid or not, with image data that is stored rather than compressed.
struct PNGForge {
    enum Color: UInt8, CaseIterable {
        case gray = 0
        case rgb = 2
        case indexed = 3
        case grayAlpha = 4
        case rgba = 6

        var channels: Int {
            switch self {
            case .gray, .indexed: 1
            case .grayAlpha: 2
            case .rgb: 3
            case .rgba: 4
            }
        }

        var depths: [Int] {
            switch self {
            case .gray: [1, 2, 4, 8, 16]
            case .indexed: [1, 2, 4, 8]
            default: [8, 16]
            }
        }
    }

    var width: UInt32
    var height: UInt32
    var depth: Int
    var color: Color
    var isInterlaced = false
    /// `[height, width, channels]`, each below 2^depth.
    var samples: [UInt16]
    var palette: [UInt8] = []
    var transparency: [UInt8] = []
    var exif: [UInt8] = []
    /// Replaces the zlib stream of the samples.
    var imageData: [UInt8]?

    func file() -> [UInt8] {
        var bytes: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        let kind: [UInt8] = [UInt8(depth), color.rawValue, 0, 0, isInterlaced ? 1 : 0]
        bytes += Self.chunk("IHDR", Self.bigEndian(width) + Self.bigEndian(height) + kind)
        if !palette.isEmpty { bytes += Self.chunk("PLTE", palette) }
        if !transparency.isEmpty { bytes += Self.chunk("tRNS", transparency) }
        if !exif.isEmpty { bytes += Self.chunk("eXIf", exif) }
        bytes += Self.chunk("IDAT", imageData ?? Self.stored(scanlines()))
        bytes += Self.chunk("IEND", [])
        return bytes
    }

    /// Rows with a filter byte of zero before each; all passes of an interlaced file.
    func scanlines() -> [UInt8] {
        let passes =
            isInterlaced
            ? [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
            : [(0, 0, 1, 1)]
        var bytes: [UInt8] = []
        for (x0, y0, dx, dy) in passes where x0 < width {
            for y in stride(from: y0, to: Int(height), by: dy) {
                bytes.append(0)
                var bits: [Bool] = []
                for x in stride(from: x0, to: Int(width), by: dx) {
                    for channel in 0..<color.channels {
                        let sample = samples[(y * Int(width) + x) * color.channels + channel]
                        bits += (0..<depth).reversed().map { sample >> $0 & 1 == 1 }
                    }
                }
                bytes += stride(from: 0, to: bits.count, by: 8).map { start in
                    (0..<8).reduce(0) { byte, bit in
                        byte << 1 | (start + bit < bits.count && bits[start + bit] ? 1 : 0)
                    }
                }
            }
        }
        return bytes
    }

    /// A zlib stream of stored blocks (RFC 1950, RFC 1951 section 3.2.4).
    static func stored(_ bytes: [UInt8]) -> [UInt8] {
        var stream: [UInt8] = [0x78, 0x01]
        for start in stride(from: 0, to: bytes.count, by: 0xFFFF) {
            let block = bytes[start..<min(start + 0xFFFF, bytes.count)]
            let count = UInt16(block.count)
            stream.append(start + block.count == bytes.count ? 1 : 0)
            stream += [UInt8(count & 0xFF), UInt8(count >> 8), UInt8(~count & 0xFF), UInt8(~count >> 8)]
            stream += block
        }
        var low: UInt32 = 1
        var high: UInt32 = 0
        for byte in bytes {
            low = (low + UInt32(byte)) % 65521
            high = (high + low) % 65521
        }
        return stream + bigEndian(high << 16 | low)
    }

    static func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
        let body = Array(name.utf8) + content
        var crc = ~UInt32(0)
        for byte in body {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        return bigEndian(UInt32(content.count)) + body + bigEndian(~crc)
    }

    static func bigEndian(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}
