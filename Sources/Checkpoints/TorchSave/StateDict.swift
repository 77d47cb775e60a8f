/// Finding tensors in what a pickle made.
extension PickleHeap {
    /// The dict that a path of keys leads to.
    func stateDict(at path: [String], in root: PickleValue) throws(FormatError) -> PickleValue {
        var value = root
        for (depth, key) in path.enumerated() {
            guard case .dictionary(let handle) = value, let next = dictionaries[handle][.text(key)] else {
                throw FormatError("holds no \(path[...depth].joined(separator: ".")), but \(summary(of: value))")
            }
            value = next
        }
        guard case .dictionary = value else { throw FormatError("holds \(value.kind) instead of a state dict") }
        return value
    }

    private func summary(of value: PickleValue) -> String {
        guard case .dictionary(let handle) = value else { return value.kind }
        let keys = dictionaries[handle].keys
        let shown = keys.prefix(5).map { String($0.text.prefix(80)).debugDescription }.joined(separator: ", ")
        return "a dict of \(keys.isEmpty ? "nothing" : shown)\(keys.count > 5 ? ", …" : "")"
    }

    /// Every tensor below a value with its path: keys and indices, joined by dots.
    func tensors(below value: PickleValue) throws(FormatError) -> [(name: String, tensor: TorchTensor)] {
        var walk = Walk(heap: self)
        try walk.visit(value, path: "", depth: 0)
        return walk.found
    }

    private struct Walk {
        /// A training run's file nests five deep; the limit is what ends loops.
        static let depthLimit = 32
        /// Containers that share containers unfold to far more than the pickle's size; optimizers list a number or two a
        /// tensor.
        static let visitLimit = 1 << 18
        /// In bytes. The longest names of real networks have some 150.
        static let pathLimit = 1 << 10

        let heap: PickleHeap
        private(set) var found: [(name: String, tensor: TorchTensor)] = []
        private var names: Set<String> = []
        private var visits = 0

        init(heap: PickleHeap) { self.heap = heap }

        mutating func visit(_ value: PickleValue, path: String, depth: Int) throws(FormatError) {
            visits += 1
            guard visits <= Self.visitLimit else { throw FormatError("holds more than \(Self.visitLimit) values") }
            guard depth <= Self.depthLimit else { throw FormatError("nests deeper than \(Self.depthLimit) containers") }
            switch value {
            case .tensor(let tensor):
                guard names.insert(path).inserted else { throw FormatError("tensor \(path) is there twice") }
                found.append((path, tensor))
            case .dictionary(let handle):
                let dictionary = heap.dictionaries[handle]
                for key in dictionary.keys {
                    guard let member = dictionary[key] else { continue }
                    try visit(member, path: join(path, key.text, depth), depth: depth + 1)
                }
            case .list(let handle), .tuple(let handle):
                for (index, element) in heap.sequences[handle].enumerated() {
                    try visit(element, path: join(path, String(index), depth), depth: depth + 1)
                }
            case .none, .bool, .integer, .float, .text, .global, .storage: break
            }
        }

        private func join(_ path: String, _ name: String, _ depth: Int) throws(FormatError) -> String {
            let joined = depth == 0 ? name : "\(path).\(name)"
            guard joined.utf8.count <= Self.pathLimit else {
                throw FormatError("a tensor's name is longer than \(Self.pathLimit) bytes")
            }
            return joined
        }
    }
}
