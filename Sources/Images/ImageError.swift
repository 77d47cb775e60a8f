/// Why a picture could not be read or written.
package enum ImageError: Error, Sendable, Hashable {
    /// The first bytes are those of no format that is read here.
    case unknownFormat(firstBytes: [UInt8])
    /// The file is larger than the caller allows.
    case tooManyBytes(count: Int, limit: Int)
    /// The header states more pixels than the caller allows.
    case tooManyPixels(ImageFormat, width: Int, height: Int, limit: Int)
    /// The file ends before the picture does.
    case truncated(ImageFormat, at: String, reason: String)
    /// The file breaks the rules of its format.
    case malformed(ImageFormat, at: String, reason: String)
    /// The file is of a kind that its library does not read.
    case unsupported(ImageFormat, at: String, reason: String)
    /// A side beyond ``ImageFormat/maximumSide``.
    case sideTooLong(ImageFormat, width: Int, height: Int, limit: Int)
    /// A quality outside 0…100.
    case qualityOutOfRange(Int)
    /// The library could not write the picture.
    case encodingFailed(ImageFormat, reason: String)
    /// The library got no memory.
    case outOfMemory(ImageFormat)
}

extension ImageError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unknownFormat(let firstBytes):
            "not a PNG, JPEG or WebP file (\(Self.opening(firstBytes)))"
        case .tooManyBytes(let count, let limit):
            "the image file has \(count) bytes, more than the limit of \(limit)"
        case .tooManyPixels(let format, let width, let height, let limit):
            "the \(format.name) is \(width)x\(height), more than the limit of \(limit) pixels"
        case .truncated(let format, let place, let reason):
            "the \(format.name) is truncated at \(place): \(reason)"
        case .malformed(let format, let place, let reason):
            "the \(format.name) is malformed at \(place): \(reason)"
        case .unsupported(let format, let place, let reason):
            "the \(format.name) is of an unsupported kind, at \(place): \(reason)"
        case .sideTooLong(let format, let width, let height, let limit):
            "a \(format.name) of \(width)x\(height) has a side longer than the limit of \(limit)"
        case .qualityOutOfRange(let quality):
            "image quality \(quality) is not in 0...100"
        case .encodingFailed(let format, let reason):
            "the \(format.name) could not be written: \(reason)"
        case .outOfMemory(let format):
            "not enough memory for the \(format.name)"
        }
    }

    private static func opening(_ bytes: [UInt8]) -> String {
        guard !bytes.isEmpty else { return "it is empty" }
        let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
        return "it starts with " + digits.joined(separator: " ")
    }
}

extension ImageFormat {
    /// As people write it.
    var name: String {
        switch self {
        case .png: "PNG"
        case .jpeg: "JPEG"
        case .webp: "WebP"
        }
    }
}
