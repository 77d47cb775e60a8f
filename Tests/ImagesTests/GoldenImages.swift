import Crypto
import Foundation
import Images
import Testing

/// `Goldens/units/images`: what Pillow and the published preprocessors made of a set of files.
struct GoldenImages: Sendable {
    static let shared = GoldenImages()

    struct Cases: Decodable, Sendable {
        struct Decode: Decodable, Sendable, CustomTestStringConvertible {
            let file: String
            let rgb: String
            let uprightRGB: String

            var testDescription: String { file }

            enum CodingKeys: String, CodingKey {
                case file, rgb
                case uprightRGB = "rgb_after_exif_transpose"
            }
        }

        struct Resize: Decodable, Sendable, CustomTestStringConvertible {
            let file: String
            let filter: ResizeFilter
            let width: Int
            let height: Int
            let expected: String

            var testDescription: String { expected }
        }

        let decode: [Decode]
        let resize: [Resize]
    }

    /// An unsigned 8-bit tensor.
    struct Expected {
        let shape: [Int]
        let bytes: [UInt8]
    }

    /// Shape and SHA-256 of an unsigned 8-bit tensor that is to be met exactly.
    struct Digest: Decodable {
        let shape: [Int]
        let sha256: String

        func matches(_ bytes: [UInt8]) -> Bool {
            sha256 == SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined()
        }
    }

    private struct Entry: Decodable {
        let dtype: String
        let shape: [Int]
        let offsets: [Int]

        enum CodingKeys: String, CodingKey {
            case dtype, shape
            case offsets = "data_offsets"
        }
    }

    let cases: Cases
    private let folder: URL
    private let payload: Data
    private let entries: [String: Entry]
    private let digests: [String: Digest]

    private init() {
        folder = URL(filePath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Goldens/units/images")
        do {
            cases = try JSONDecoder().decode(Cases.self, from: Data(contentsOf: folder.appending(path: "case.json")))
            digests = try JSONDecoder().decode(
                [String: Digest].self,
                from: Data(contentsOf: folder.appending(path: "digests.json"))
            )
            let file = try Data(contentsOf: folder.appending(path: "expected.safetensors"))
            let headerCount = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
            entries = try JSONDecoder().decode([String: Entry].self, from: file[8..<(8 + headerCount)])
            payload = file[(8 + headerCount)...]
        } catch {
            preconditionFailure("the golden images can't be read: \(error)")
        }
    }

    /// The bytes of a picture file.
    func file(_ name: String) throws -> Data {
        try Data(contentsOf: folder.appending(path: name))
    }

    /// An entry of `digests.json`.
    func digest(_ name: String) throws -> Digest {
        guard let digest = digests[name] else { throw CocoaError(.keyValueValidation) }
        return digest
    }

    /// A tensor of `expected.safetensors`.
    func expected(_ name: String) throws -> Expected {
        guard let entry = entries[name], entry.dtype == "U8" else {
            throw CocoaError(.keyValueValidation)
        }
        let start = payload.startIndex
        return Expected(
            shape: entry.shape,
            bytes: Array(payload[(start + entry.offsets[0])..<(start + entry.offsets[1])])
        )
    }
}

/// Keeps failure messages short.
extension PixelImage: CustomTestStringConvertible {
    package var testDescription: String { "\(width)x\(height)" }
}
