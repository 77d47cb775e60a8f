import Tensors

/// What a pickle of tensors can hold.
///
/// Containers are numbers of entries of a `PickleHeap`: pickles share them and may tie them into loops, and no value
/// here owns another one, so that the deepest nesting is freed without recursion.
enum PickleValue {
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case text(String)
    case list(Int)
    case tuple(Int)
    case dictionary(Int)
    /// A name that stands for a function or class of PyTorch: only a name, there is nothing to call.
    case global(TorchGlobal)
    case storage(TorchStorage)
    case tensor(TorchTensor)

    /// For messages.
    var kind: String {
        switch self {
        case .none: "None"
        case .bool: "a bool"
        case .integer: "an int"
        case .float: "a float"
        case .text: "a str"
        case .list: "a list"
        case .tuple: "a tuple"
        case .dictionary: "a dict"
        case .global(let global): global.description
        case .storage: "a storage"
        case .tensor: "a tensor"
        }
    }
}

/// The names that the pickle of a tensor refers to.
enum TorchGlobal: CustomStringConvertible {
    case orderedDictionary
    case rebuildTensor
    case rebuildParameter
    case storage(DType)

    /// Nil for every other name.
    init?(module: String, name: String) {
        switch (module, name) {
        case ("collections", "OrderedDict"): self = .orderedDictionary
        case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
        case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
        case ("torch", let name):
            guard let dtype = Self.storages.first(where: { $0.name == name })?.dtype else { return nil }
            self = .storage(dtype)
        default: return nil
        }
    }

    private static let storages: [(dtype: DType, name: String)] = [
        (.float64, "DoubleStorage"), (.float32, "FloatStorage"), (.float16, "HalfStorage"),
        (.bfloat16, "BFloat16Storage"), (.int64, "LongStorage"), (.int32, "IntStorage"), (.int16, "ShortStorage"),
        (.int8, "CharStorage"), (.uint8, "ByteStorage"), (.bool, "BoolStorage"),
    ]

    var description: String {
        switch self {
        case .orderedDictionary: "collections.OrderedDict"
        case .rebuildTensor: "torch._utils._rebuild_tensor_v2"
        case .rebuildParameter: "torch._utils._rebuild_parameter"
        case .storage(let dtype): "the class of \(dtype.rawValue) storages"
        }
    }
}

/// A run of elements beside the pickle, as the pickle describes it: nothing of it is checked yet.
struct TorchStorage {
    /// The name of its entry below `data/`.
    var key: String
    var dtype: DType
    var count: Int
}

/// A tensor's view of a storage, as the pickle describes it: nothing of it is checked yet.
struct TorchTensor {
    var storage: TorchStorage
    /// In elements, as the strides are.
    var offset: Int
    var shape: [Int]
    var strides: [Int]
}

/// The containers that a pickle made.
struct PickleHeap {
    /// The contents of lists and tuples.
    var sequences: [[PickleValue]] = []
    var dictionaries: [PickleDictionary] = []
}

/// A dict or OrderedDict in the order in which its keys came.
struct PickleDictionary {
    enum Key: Hashable {
        case text(String)
        case integer(Int)

        var text: String {
            switch self {
            case .text(let text): text
            case .integer(let number): String(number)
            }
        }
    }

    /// Only objects of classes have attributes; a plain dict has none.
    let isOrderedDictionary: Bool
    private(set) var keys: [Key] = []
    private var values: [Key: PickleValue] = [:]

    init(isOrderedDictionary: Bool) { self.isOrderedDictionary = isOrderedDictionary }

    subscript(key: Key) -> PickleValue? { values[key] }

    /// - Returns: whether the key is new
    mutating func insert(_ value: PickleValue, for key: Key) -> Bool {
        guard values.updateValue(value, forKey: key) == nil else { return false }
        keys.append(key)
        return true
    }
}
