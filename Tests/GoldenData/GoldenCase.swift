import Checkpoints
package import Foundation
package import Tensors

/// Reference results. The repository holds what fits into 25 MB; a folder with the rest is named by `TRIPTYCH_GOLDENS`.
package enum GoldenData {
    /// The repository's own.
    package static let folder = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Goldens")
    private static let root = folder.deletingLastPathComponent().deletingLastPathComponent()
    private static let rest = ProcessInfo.processInfo.environment["TRIPTYCH_GOLDENS"].map { URL(filePath: $0) }

    /// A file or folder, such as `metaquery_qwen25vl_sd/checkpoint`: the repository's if it has it.
    package static func url(_ path: String) -> URL {
        let own = folder.appending(path: path)
        guard let rest, !FileManager.default.fileExists(atPath: own.path) else { return own }
        return rest.appending(path: path)
    }

    /// The folder of a model that the repository holds to be served.
    package static func embeddedModel(_ name: String) -> URL { root.appending(path: "models").appending(path: name) }

    /// A file or folder of the fuller set, even where the repository has one of that name: it holds some in part.
    package static func full(_ path: String) -> URL? { rest?.appending(path: path) }

    /// Whether tests of a file or folder can run here.
    package static func isHere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: url(path).path) }
}

/// One case: its description in `case.json` and the reference results in `expected.safetensors`.
package struct GoldenCase {
    package let folder: URL
    package let json: [String: any Sendable]
    private let tensors: [String: StoredTensor]

    /// - Parameter path: such as `llamafusion/cases/edit`
    package init(_ path: String, tensors file: String = "expected.safetensors") throws {
        folder = GoldenData.url(path)
        let data = try Data(contentsOf: folder.appending(path: "case.json"))
        json = try JSONSerialization.jsonObject(with: data) as? [String: any Sendable] ?? [:]
        // Of a folder that the repository holds in part, tensors may lie elsewhere.
        let expected = try SafetensorsFile(GoldenData.url("\(path)/\(file)"))
        tensors = Dictionary(uniqueKeysWithValues: expected.tensors.map { ($0.name, $0) })
    }

    package func string(_ key: String) throws -> String { try value(key) }
    package func integer(_ key: String) throws -> Int { try value(key) }
    package func number(_ key: String) throws -> Double { try value(key) }

    private func value<Value>(_ key: String) throws -> Value {
        guard let value = json[key] as? Value else { throw GoldenDataError("\(folder.path): no \(Value.self) \(key)") }
        return value
    }

    package func contains(_ name: String) -> Bool { tensors[name] != nil }

    /// An expected tensor of floats.
    package func tensor(_ name: String) throws -> Tensor { try stored(name).tensor() }

    /// Expected integers, such as token ids or timesteps.
    package func integers(_ name: String) throws -> [Int] {
        let tensor = try stored(name)
        guard tensor.dtype == .int64 else { throw GoldenDataError("\(folder.path): \(name) is \(tensor.dtype)") }
        return stride(from: 0, to: tensor.bytes.count, by: 8).map {
            Int(tensor.bytes.loadUnaligned(fromByteOffset: $0, as: Int64.self))
        }
    }

    private func stored(_ name: String) throws -> StoredTensor {
        guard let tensor = tensors[name] else { throw GoldenDataError("\(folder.path): no tensor \(name)") }
        return tensor
    }
}

/// What is wrong with the golden data itself.
package struct GoldenDataError: Error, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}

/// The largest absolute difference, in units of the largest absolute expected value: what the tolerances of the golden
/// data are given in. Infinite where counts differ or a value is no number.
package func deviation(_ actual: Tensor, from expected: Tensor) -> Float {
    deviation(actual.array, from: expected.array)
}

package func deviation(_ actual: [Float], from expected: [Float]) -> Float {
    guard actual.count == expected.count, actual.allSatisfy(\.isFinite) else { return .infinity }
    let scale = expected.reduce(0) { max($0, abs($1)) }
    let difference = zip(actual, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
    return scale > 0 ? difference / scale : difference
}
