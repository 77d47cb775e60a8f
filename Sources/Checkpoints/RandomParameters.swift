import Dispatch
package import Tensors

/// Random weights for whatever a network asks for, to measure networks without their checkpoints.
///
/// Matrices and kernels are uniform with variance 1 / fan-in, norms lie around one and biases around zero, so that
/// activations keep their scale through any depth. The same network gets the same weights every time. Their memory is
/// freed where a network drops them for a form of its own.
package final class RandomParameters {
    private let dtype: DType
    private var parameters: [(name: String, shape: [Int], bytes: WeakBytes)] = []

    /// The sum of all parameters as stored.
    package var byteCount: Int { parameters.reduce(0) { $0 + $1.shape.reduce(dtype.byteCount, *) } }

    /// - Parameter dtype: how the parameters are stored: float32, float16 or bfloat16.
    package init(dtype: DType) {
        precondition([.float32, .float16, .bfloat16].contains(dtype), "no random weights in \(dtype)")
        self.dtype = dtype
    }

    /// Makes every parameter as it is asked for.
    package var reader: ParameterReader { ParameterReader(self) }

    /// The parameters that networks still hold as they were stored.
    package var held: [StoredTensor] {
        parameters.compactMap { name, shape, bytes in
            bytes.value.map { StoredTensor(name: name, dtype: dtype, shape: shape, bytes: $0.bytes, owner: $0) }
        }
    }

    private struct WeakBytes {
        weak var value: OwnedBytes?
    }
}

extension RandomParameters: ParameterSource {
    func take(_ key: String, _ shape: [Int]) -> StoredTensor {
        let bytes = OwnedBytes(count: shape.reduce(dtype.byteCount, *), repeating: pattern(for: key, shape))
        parameters.append((key, shape, WeakBytes(value: bytes)))
        return StoredTensor(name: key, dtype: dtype, shape: shape, bytes: bytes.bytes, owner: bytes)
    }

    func discard(_ key: String) {}

    /// Length of the pattern that fills a parameter: prime, so that no two rows of a matrix are alike.
    private static let period = 65_521

    private func pattern(for key: String, _ shape: [Int]) -> [UInt8] {
        var fingerprint = Fingerprint()
        fingerprint.combine(key.utf8)
        var state = fingerprint.value
        let isVector = shape.count == 1
        let center: Float = isVector && key.hasSuffix("weight") ? 1 : 0
        // A uniform variable between −a and a has variance a² / 3.
        let radius = isVector ? 0.1 : (3 / Float(shape.dropFirst().reduce(1, *))).squareRoot()
        let count = min(Self.period, shape.reduce(1, *))
        return [UInt8](unsafeUninitializedCapacity: count * dtype.byteCount) { buffer, initialized in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            for index in 0..<count {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let uniform = Float(Int32(truncatingIfNeeded: state >> 32)) / 2_147_483_648
                let value = center + radius * uniform
                switch dtype {
                case .bfloat16:
                    let bits = UInt16(value.bitPattern >> 16)
                    bytes.storeBytes(of: bits.littleEndian, toByteOffset: 2 * index, as: UInt16.self)
                case .float16:
                    let bits = Float16(value).bitPattern
                    bytes.storeBytes(of: bits.littleEndian, toByteOffset: 2 * index, as: UInt16.self)
                default:
                    bytes.storeBytes(of: value.bitPattern.littleEndian, toByteOffset: 4 * index, as: UInt32.self)
                }
            }
            initialized = count * dtype.byteCount
        }
    }
}

extension OwnedBytes {
    /// Fills `count` bytes with a pattern, over and over, on all cores: most of the time goes into page faults.
    fileprivate convenience init(count: Int, repeating pattern: [UInt8]) {
        self.init(count: count) { memory in
            guard count > 0 else { return }
            let target = Target(memory: memory)
            DispatchQueue.concurrentPerform(iterations: (count + pattern.count - 1) / pattern.count) { index in
                let start = index * pattern.count
                let piece = pattern[..<min(pattern.count, count - start)]
                target.memory[start..<start + piece.count].copyBytes(from: piece)
            }
        }
    }

    /// `@unchecked Sendable`: every iteration writes bytes of its own.
    private struct Target: @unchecked Sendable {
        let memory: UnsafeMutableRawBufferPointer
    }
}
