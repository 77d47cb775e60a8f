/// The alphabet of byte-level BPE: every byte has a printable character, so that tokens can be spelled in a text file
/// (GPT-2, `bytes_to_unicode` of its encoder.py). Printable Latin-1 characters stand for themselves, the other 68 bytes
/// are U+0100 and up in ascending order: a space is `Ġ`.
enum ByteAlphabet {
    /// The byte of each character below U+0144; -1 for characters outside the alphabet.
    private static let bytes: [Int16] = {
        var table = [Int16](repeating: -1, count: 0x100 + 68)
        var next = 0x100
        for byte in 0..<0x100 {
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF:
                table[byte] = Int16(byte)
            default:
                table[next] = Int16(byte)
                next += 1
            }
        }
        return table
    }()

    /// The bytes that a token's spelling (UTF-8) stands for; nil where a character is outside the alphabet.
    static func decode(_ spelling: some Sequence<UInt8>) -> [UInt8]? {
        var decoded: [UInt8] = []
        var lead: UInt8 = 0
        for unit in spelling {
            var code = Int(unit)
            if lead != 0 {
                code = Int(lead & 0x1F) << 6 | Int(unit & 0x3F)
                lead = 0
            } else if (0xC2...0xC5).contains(unit) {
                // The alphabet ends at U+0143: two UTF-8 units at most.
                lead = unit
                continue
            } else if unit >= 0x80 {
                return nil
            }
            guard code < bytes.count, bytes[code] >= 0 else { return nil }
            decoded.append(UInt8(bytes[code]))
        }
        return lead == 0 ? decoded : nil
    }
}
