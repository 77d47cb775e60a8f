import Foundation

@testable import Tensors

/// Plain loops in double precision, kept forever beside the fast operations.
enum Reference {
    /// x [rows, in] · w [out, in]ᵀ + bias.
    static func linear(_ x: [Float], _ w: [Float], bias: [Float]?, rows: Int, inputs: Int, outputs: Int) -> [Float] {
        var result = [Float](repeating: 0, count: rows * outputs)
        for row in 0..<rows {
            for output in 0..<outputs {
                var sum = bias.map { Double($0[output]) } ?? 0
                for k in 0..<inputs { sum += Double(x[row * inputs + k]) * Double(w[output * inputs + k]) }
                result[row * outputs + output] = Float(sum)
            }
        }
        return result
    }

    /// x [batch, height, width, in] with PyTorch's weight [out, in / groups, kh, kw].
    static func convolution(
        _ x: Tensor,
        _ w: Tensor,
        bias: [Float]?,
        stride: Int,
        padding: Int,
        groups: Int
    ) -> Tensor {
        let (batch, height, width, inputs) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
        let (outputs, kernelHeight, kernelWidth) = (w.shape[0], w.shape[2], w.shape[3])
        let outputHeight = (height + 2 * padding - kernelHeight) / stride + 1
        let outputWidth = (width + 2 * padding - kernelWidth) / stride + 1
        let (perGroup, outputsPerGroup) = (inputs / groups, outputs / groups)
        let (values, weights) = (x.array, w.array)
        var result: [Float] = []
        for image in 0..<batch {
            for y in 0..<outputHeight {
                for column in 0..<outputWidth {
                    for output in 0..<outputs {
                        let group = output / outputsPerGroup
                        var sum = bias.map { Double($0[output]) } ?? 0
                        for ky in 0..<kernelHeight {
                            for kx in 0..<kernelWidth {
                                let (iy, ix) = (y * stride + ky - padding, column * stride + kx - padding)
                                guard 0..<height ~= iy, 0..<width ~= ix else { continue }
                                for c in 0..<perGroup {
                                    let index = ((image * height + iy) * width + ix) * inputs + group * perGroup + c
                                    let weight = ((output * perGroup + c) * kernelHeight + ky) * kernelWidth + kx
                                    sum += Double(values[index]) * Double(weights[weight])
                                }
                            }
                        }
                        result.append(Float(sum))
                    }
                }
            }
        }
        return Tensor(result, shape: [batch, outputHeight, outputWidth, outputs])
    }

    static func attention(
        _ queries: Tensor,
        keys: [Tensor],
        values: [Tensor],
        heads: Int,
        keyValueHeads: Int,
        scale: Double,
        causal: Bool
    ) -> [Float] {
        let (batch, rows, width) = (queries.shape[0], queries.shape[1], queries.shape[2])
        let (headWidth, q) = (width / heads, queries.array)
        var result = [Float](repeating: 0, count: q.count)
        for item in 0..<batch {
            let (k, v, length) = (keys[item].array, values[item].array, keys[item].shape[0])
            for row in 0..<rows {
                for head in 0..<heads {
                    let offset = (item * rows + row) * width + head * headWidth
                    let shared = head / (heads / keyValueHeads) * headWidth
                    let seen = causal ? length - rows + row + 1 : length
                    let scores = (0..<seen).map { j in
                        (0..<headWidth).reduce(0.0) {
                            $0 + Double(q[offset + $1]) * Double(k[j * keyValueHeads * headWidth + shared + $1])
                        } * scale
                    }
                    let top = scores.max() ?? 0
                    let weights = scores.map { exp($0 - top) }
                    let total = weights.reduce(0, +)
                    for c in 0..<headWidth {
                        let sum = (0..<seen).reduce(0.0) {
                            $0 + weights[$1] * Double(v[$1 * keyValueHeads * headWidth + shared + c])
                        }
                        result[offset + c] = Float(sum / total)
                    }
                }
            }
        }
        return result
    }

    static func activation(_ activation: Activation, _ x: Double) -> Double {
        switch activation {
        case .none: x
        case .silu: x / (1 + exp(-x))
        case .gelu: x * 0.5 * erfc(-x / 2.0.squareRoot())
        case .geluTanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
        case .quickGELU: x / (1 + exp(-1.702 * x))
        case .relu: max(x, 0)
        }
    }
}

/// A small generator with a fixed sequence (SplitMix64), so that failures repeat.
struct TestNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func values(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in Float.random(in: range, using: &self) }
    }

    mutating func tensor(_ shape: [Int], in range: ClosedRange<Float> = -1...1) -> Tensor {
        Tensor(values(shape.reduce(1, *), in: range), shape: shape)
    }
}

/// The largest difference, relative to the largest reference value.
func error(_ result: [Float], _ reference: [Float]) -> Float {
    guard result.count == reference.count, !result.contains(where: { $0.isNaN }) else { return .infinity }
    let scale = reference.reduce(Float.leastNormalMagnitude) { max($0, abs($1)) }
    return zip(result, reference).reduce(0) { max($0, abs($1.0 - $1.1)) } / scale
}

func bits(_ tensor: Tensor) -> [UInt32] { tensor.array.map(\.bitPattern) }

/// `values` in a stored dtype, and what they are after rounding to it.
func stored(_ values: [Float], _ shape: [Int], as dtype: DType) -> (stored: StoredTensor, rounded: [Float]) {
    var bytes: [UInt8] = []
    var rounded: [Float] = []
    for value in values {
        switch dtype {
        case .float16:
            let half = Float16(value)
            withUnsafeBytes(of: half.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
            rounded.append(Float(half))
        case .bfloat16:
            let bits = value.bitPattern >> 16
            withUnsafeBytes(of: UInt16(bits).littleEndian) { bytes.append(contentsOf: $0) }
            rounded.append(Float(bitPattern: bits << 16))
        default:
            withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
            rounded.append(value)
        }
    }
    let owner = Bytes(bytes)
    return (StoredTensor(name: "w", dtype: dtype, shape: shape, bytes: owner.view, owner: owner), rounded)
}

final class Bytes {
    let view: UnsafeRawBufferPointer

    init(_ bytes: [UInt8]) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 2)
        copy.copyBytes(from: bytes)
        view = UnsafeRawBufferPointer(copy)
    }

    deinit { view.deallocate() }
}
