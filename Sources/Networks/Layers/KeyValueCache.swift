import Tensors

/// Keys and values of one sequence in every layer of a decoder. A value: a copy shares storage until it grows.
package struct KeyValueCache: Sendable {
    private struct Layer {
        /// [capacity, keyValueHeads × headWidth]; rows from the length on are free.
        var keys: Tensor
        var values: Tensor
    }

    private var layers: [Layer]
    private let width: Int
    private var capacity: Int
    /// Tokens whose keys and values every layer holds: the position of the next one.
    package private(set) var length = 0

    /// In memory, room for more tokens included.
    package var byteCount: Int { 8 * layers.count * capacity * width }

    /// - Parameters:
    ///   - width: keyValueHeads × headWidth
    ///   - capacity: tokens to make room for; more are taken in as they come.
    package init(layers count: Int, width: Int, capacity: Int = 0) {
        self.width = width
        self.capacity = capacity
        layers = (0..<count).map { _ in
            Layer(keys: .uninitialized([capacity, width]), values: .uninitialized([capacity, width]))
        }
    }

    /// Makes room for `rows` more tokens in every layer, half as much again when it must grow.
    package mutating func reserve(_ rows: Int) {
        guard length + rows > capacity else { return }
        capacity = max(length + rows, capacity + capacity / 2)
        for index in layers.indices {
            layers[index].keys = grown(layers[index].keys)
            layers[index].values = grown(layers[index].values)
        }
    }

    private func grown(_ old: Tensor) -> Tensor {
        var new = Tensor.uninitialized([capacity, width])
        if length > 0 { new.replaceRows(at: 0, with: old[0..<length]) }
        return new
    }

    /// Writes the rows of a pass behind the length; `commit` makes them count once all layers have theirs.
    mutating func write(layer: Int, keys: Tensor, values: Tensor) {
        layers[layer].keys.replaceRows(at: length, with: keys)
        layers[layer].values.replaceRows(at: length, with: values)
    }

    mutating func commit(_ rows: Int) {
        length += rows
    }

    /// The first `count` rows of a layer: [count, width] each.
    func rows(layer: Int, _ count: Int) -> (keys: Tensor, values: Tensor) {
        (layers[layer].keys[0..<count], layers[layer].values[0..<count])
    }
}
