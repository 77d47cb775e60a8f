package import Tensors

/// Hands a network its parameters by name and keeps account of them.
///
/// A reader stands at one place of the network's tree: `reader["layers"][0]["self_attn"]["q_proj"]` reads
/// `layers.0.self_attn.q_proj.weight` as `tensor("weight", [out, in])`. Layers take the reader of their own place.
package struct ParameterReader {
    private let source: any ParameterSource
    private let path: String

    init(_ source: any ParameterSource, path: String = "") {
        self.source = source
        self.path = path
    }

    package subscript(name: String) -> ParameterReader {
        ParameterReader(source, path: key(name))
    }

    package subscript(index: Int) -> ParameterReader { self[String(index)] }

    /// Takes the parameter `name`, which must have this shape and must not have been taken before.
    ///
    /// While keys are accounted for, the result is a placeholder of the same rank without data.
    package func tensor(_ name: String, _ shape: [Int]) -> StoredTensor {
        source.take(key(name), shape)
    }

    /// Takes `name` if it is there and leaves it unused: a copy of what the network has elsewhere.
    package func discard(_ name: String) {
        source.discard(key(name))
    }

    private func key(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
}

/// Where a reader's parameters come from; see the methods of `ParameterReader` for what each has to do.
protocol ParameterSource: AnyObject {
    func take(_ key: String, _ shape: [Int]) -> StoredTensor
    func discard(_ key: String)
}

/// A tensor and the file it is in.
struct StoredParameter {
    var tensor: StoredTensor
    var file: String
}

/// The account of a checkpoint's parameters: which were asked for, which were taken.
final class ParameterAccount: ParameterSource {
    private let stored: [String: StoredParameter]
    private let isAccounting: Bool
    private var taken: Set<String> = []
    private var found: [TensorProblem] = []

    init(_ stored: [String: StoredParameter], isAccounting: Bool) {
        self.stored = stored
        self.isAccounting = isAccounting
    }

    func discard(_ key: String) { taken.insert(key) }

    func take(_ key: String, _ shape: [Int]) -> StoredTensor {
        precondition(taken.insert(key).inserted, "\(key) is read twice by the network")
        guard isAccounting else {
            guard let parameter = stored[key], parameter.tensor.shape == shape else {
                preconditionFailure("\(key) was not accounted for")
            }
            return parameter.tensor
        }
        if let parameter = stored[key] {
            let tensor = parameter.tensor
            if !tensor.dtype.isFloatingPoint {
                found.append(.mistyped(key: key, file: parameter.file, found: tensor.dtype.rawValue))
            } else if tensor.shape != shape {
                found.append(.misshaped(key: key, file: parameter.file, found: tensor.shape, expected: shape))
            }
        } else {
            found.append(.missing(key: key, shape: shape))
        }
        return Self.placeholder(key, rank: shape.count, kernel: shape.count == 4 ? Array(shape[2...]) : [])
    }

    /// Problems so far, and every stored parameter that nobody asked for.
    func problems() -> [TensorProblem] {
        found
            + stored.filter { !taken.contains($0.key) }.sorted { $0.key < $1.key }
            .map { .unexpected(key: $0.key, file: $0.value.file) }
    }

    /// One zero for every row and column, so that layers can be built from it at no cost; convolutions keep their kernel.
    private static func placeholder(_ key: String, rank: Int, kernel: [Int]) -> StoredTensor {
        let shape = Array(repeating: 1, count: rank - kernel.count) + kernel
        let zeros = OwnedBytes(count: 4 * shape.reduce(1, *)) { $0.initializeMemory(as: UInt8.self, repeating: 0) }
        return StoredTensor(name: key, dtype: .float32, shape: shape, bytes: zeros.bytes, owner: zeros)
    }
}
