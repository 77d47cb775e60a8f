import Tensors

extension ParameterReader {
    /// The same parameters rounded to bfloat16, as PyTorch rounds a checkpoint that is loaded with
    /// `torch_dtype=torch.bfloat16`. Networks still compute in float32. What is stored in bfloat16 stays where it is; all
    /// else gets memory of its own, half of what float32 takes.
    package var roundedToBFloat16: ParameterReader { ParameterReader(RoundedParameters(self)) }
}

/// Another reader's parameters, rounded on the way.
private final class RoundedParameters: ParameterSource {
    private let reader: ParameterReader

    init(_ reader: ParameterReader) { self.reader = reader }

    func take(_ key: String, _ shape: [Int]) -> StoredTensor { reader.tensor(key, shape).roundedToBFloat16 }

    func discard(_ key: String) { reader.discard(key) }
}

extension StoredTensor {
    /// To the nearest bfloat16, ties to the even one.
    fileprivate var roundedToBFloat16: StoredTensor {
        guard dtype != .bfloat16 else { return self }
        let rounded = OwnedBytes(count: 2 * count) { memory in
            let halves = memory.bindMemory(to: UInt16.self)
            tensor().withUnsafeBufferPointer { values in
                for index in values.indices {
                    let bits = values[index].bitPattern
                    // Half of the last kept digit, less one bit where that digit is even; a NaN must not become infinite.
                    let carried = bits &+ 0x7FFF &+ (bits >> 16 & 1)
                    let kept = values[index].isNaN ? bits | 0x40_0000 : carried
                    halves[index] = UInt16(truncatingIfNeeded: kept >> 16).littleEndian
                }
            }
        }
        return StoredTensor(name: name, dtype: .bfloat16, shape: shape, bytes: rounded.bytes, owner: rounded)
    }
}
