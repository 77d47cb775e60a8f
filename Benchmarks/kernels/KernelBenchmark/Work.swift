import Foundation
import Tensors

/// The work that a line names: `linear rows inputs outputs dtype`, `convolution side inputs outputs kernel` or
/// `attention rows heads headWidth`.
func prepare(_ words: [String]) -> () -> Void {
    let numbers = words.dropFirst().compactMap(Int.init)
    switch (words.first, numbers.count) {
    case ("linear", 3):
        let weight = LinearWeight(
            matrix(numbers[2], numbers[1], words.last == "bf16" ? .bfloat16 : .float32),
            bias: nil
        )
        let x = random([1, numbers[0], numbers[1]])
        return { _ = x.linear(weight) }
    case ("convolution", 4):
        let shape = [numbers[2], numbers[1], numbers[3], numbers[3]]
        let weight = ConvolutionWeight(
            StoredTensor(name: "weight", random(shape)),
            bias: nil,
            stride: 1,
            padding: numbers[3] / 2
        )
        let x = random([1, numbers[0], numbers[0], numbers[1]])
        return { _ = x.convolved(weight) }
    case ("attention", 3):
        let x = random([1, numbers[0], numbers[1] * numbers[2]])
        let keys = x.reshaped([numbers[0], numbers[1] * numbers[2]])
        let scale = 1 / Float(numbers[2]).squareRoot()
        return {
            _ = x.attended(
                keys: [keys],
                values: [keys],
                heads: numbers[1],
                keyValueHeads: numbers[1],
                scale: scale,
                causal: false
            )
        }
    default:
        FileHandle.standardError.write(Data("unknown work: \(words.joined(separator: " "))\n".utf8))
        exit(2)
    }
}

/// Reproducible values in −0.5…0.5.
private func random(_ shape: [Int]) -> Tensor {
    var state: UInt32 = 1
    var tensor = Tensor.uninitialized(shape)
    tensor.withUnsafeMutableBufferPointer { values in
        for index in values.indices {
            state = state &* 1_664_525 &+ 1_013_904_223
            values[index] = Float(state >> 8) / 16_777_216 - 0.5
        }
    }
    return tensor
}

/// A weight [outputs, inputs] in a stored dtype.
private func matrix(_ outputs: Int, _ inputs: Int, _ dtype: DType) -> StoredTensor {
    let wide = random([outputs, inputs])
    guard dtype == .bfloat16 else { return StoredTensor(name: "weight", wide) }
    let halves = Halves(wide.array.map { UInt16(truncatingIfNeeded: $0.bitPattern >> 16) })
    return StoredTensor(name: "weight", dtype: .bfloat16, shape: [outputs, inputs], bytes: halves.bytes, owner: halves)
}

private final class Halves {
    let bytes: UnsafeRawBufferPointer

    init(_ values: [UInt16]) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: values.count * 2, alignment: 64)
        values.withUnsafeBytes { memory.copyMemory(from: $0) }
        bytes = UnsafeRawBufferPointer(memory)
    }

    deinit { bytes.deallocate() }
}
