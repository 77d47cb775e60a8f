/// A file format that is both read and written.
package enum ImageFormat: String, Sendable, Codable, CaseIterable {
    case png, jpeg, webp

    /// As in a `Content-Type` field.
    package var mediaType: String { "image/\(rawValue)" }

    /// The longest side that is read or written.
    package var maximumSide: Int {
        switch self {
        case .png: 65535  // The format allows 2^31 - 1, but libraries hold a few rows, at up to 8 bytes a pixel.
        case .jpeg: 65500  // libjpeg's JPEG_MAX_DIMENSION
        case .webp: 16383  // 14 bits in a bitstream; an animation's canvas could state more
        }
    }

    /// The format that the first bytes of a file announce, whatever its name or media type says.
    package init?(sniffing bytes: UnsafeRawBufferPointer) {
        if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
            self = .jpeg
        } else if bytes.count >= 12, bytes.starts(with: "RIFF".utf8), bytes.dropFirst(8).starts(with: "WEBP".utf8) {
            self = .webp
        } else {
            return nil
        }
    }
}
