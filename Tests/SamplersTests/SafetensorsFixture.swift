import Foundation

/// The numbers of a well-formed golden `expected.safetensors`, in double precision whatever their dtype.
struct SafetensorsFixture {
    private let data: Data
    private let entries: [String: Entry]

    private struct Entry: Decodable {
        var dtype: String
        var offsets: [Int]

        enum CodingKeys: String, CodingKey {
            case dtype
            case offsets = "data_offsets"
        }
    }

    init(_ path: String) throws {
        let file = try Data(contentsOf: goldensFolder.appending(path: path))
        let headerLength = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        entries = try JSONDecoder().decode([String: Entry].self, from: file.dropFirst(8).prefix(headerLength))
        data = Data(file.dropFirst(8 + headerLength))
    }

    func doubles(_ name: String) throws -> [Double] {
        guard let entry = entries[name] else { throw FixtureError(name: name) }
        let bytes = data[entry.offsets[0]..<entry.offsets[1]]
        return switch entry.dtype {
        case "F32": Self.load(Float.self, bytes).map(Double.init)
        case "F64": Self.load(Double.self, bytes)
        case "I64": Self.load(Int64.self, bytes).map(Double.init)
        default: throw FixtureError(name: name)
        }
    }

    func floats(_ name: String) throws -> [Float] {
        try doubles(name).map(Float.init)
    }

    /// The rows of a tensor whose first axis has `count` entries.
    func rows(_ name: String, count: Int) throws -> [[Float]] {
        let values = try floats(name)
        let length = values.count / count
        return (0..<count).map { Array(values[$0 * length..<($0 + 1) * length]) }
    }

    private static func load<Element>(_ type: Element.Type, _ bytes: Data) -> [Element] {
        bytes.withUnsafeBytes { buffer in
            stride(from: 0, to: buffer.count, by: MemoryLayout<Element>.size).map {
                buffer.loadUnaligned(fromByteOffset: $0, as: type)
            }
        }
    }
}

/// A tensor that is absent or of an unexpected dtype.
struct FixtureError: Error {
    var name: String
}

let goldensFolder = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Goldens")

/// The largest difference between two lists; infinite if they differ in length or an element is no number.
func largestDifference(_ actual: [Float], _ expected: [Float]) -> Float {
    guard actual.count == expected.count else { return .infinity }
    return zip(actual, expected).reduce(0) { largest, pair in
        let difference = abs(pair.0 - pair.1)
        return difference.isNaN ? .infinity : max(largest, difference)
    }
}

/// `largestDifference` in units of the largest expected absolute value.
func relativeDifference(_ actual: [Float], _ expected: [Float]) -> Float {
    largestDifference(actual, expected) / (expected.map(abs).max() ?? 1)
}
