import Foundation

/// Something that draws standard normal values: what a stochastic scheduler takes its noise from.
package protocol NormalSource {
    /// `count` independent draws from N(0, 1).
    mutating func randn(_ count: Int) -> [Float]
}

/// The random stream of `torch.Generator().manual_seed(seed)` on the CPU: the same draws in the same order give the
/// values `torch.rand` and `torch.randn` give.
///
/// A value: a copy continues independently, and a saved and reloaded generator continues to the same bytes.
///
/// Source: `aten/src/ATen/core/DistributionsHelper.h` and `native/cpu/DistributionTemplates.h` of PyTorch.
package struct TorchGenerator: Sendable, Equatable {
    private var engine: MersenneTwister
    /// The second value of the last scalar Box–Muller pair, kept for the next scalar draw; as bits, so that a saved
    /// generator gives it back exactly.
    private var spareNormalBits: UInt64?

    /// Only the low 32 bits of `seed` count, as in PyTorch.
    package init(seed: UInt64) {
        engine = MersenneTwister(seed: UInt32(truncatingIfNeeded: seed))
    }

    // MARK: Uniform

    /// `torch.rand(count)`: float32 values in 0..<1 with 24 random bits each.
    package mutating func rand(_ count: Int) -> [Float] {
        (0..<count).map { _ in uniformFloat() }
    }

    /// `torch.rand(1, dtype=torch.float64)`: a value in 0..<1 with 53 random bits.
    package mutating func uniform() -> Double {
        let high = UInt64(engine.next())
        let low = UInt64(engine.next())
        return Double((high << 32 | low) & (1 << 53 - 1)) * 0x1p-53
    }

    /// `torch.randint(bound, (1,))`: an integer in 0..<bound.
    ///
    /// - Precondition: `bound` is in 1...2²⁸; PyTorch's rule differs between versions above that.
    package mutating func nextInt(below bound: Int) -> Int {
        precondition((1...1 << 28).contains(bound), "nextInt takes bounds from 1 to 2^28")
        return Int(engine.next()) % bound
    }

    private mutating func uniformFloat() -> Float {
        Float(engine.next() & 0xff_ffff) * 0x1p-24
    }

    // MARK: Normal

    /// The dtype of a `torch.randn` call. Values are drawn in float32 and rounded, but 16-bit draws of 17 values and
    /// more order the uniform draws behind them differently.
    package enum NormalPrecision: Sendable {
        case float32
        case float16
        case bfloat16
    }

    /// `torch.randn(count, dtype: precision)`, as float32 values.
    package mutating func randn(_ count: Int, precision: NormalPrecision) -> [Float] {
        let values: [Float]
        if count < Self.blockSize {
            values = (0..<count).map { _ in Float(nextNormal()) }
        } else if precision == .float32 {
            values = normalsFromOneSweep(count)
        } else {
            values = normalsBlockByBlock(count)
        }
        return switch precision {
        case .float32: values
        case .float16: values.map { Float(Float16($0)) }
        case .bfloat16: values.map(Self.roundedToBFloat16)
        }
    }

    /// Below `blockSize` values: Box–Muller in double precision, two values a pair, the second kept for the next draw.
    private mutating func nextNormal() -> Double {
        if let spare = spareNormalBits {
            spareNormalBits = nil
            return Double(bitPattern: spare)
        }
        let angle = 2 * Double.pi * uniform()
        let radius = (-2 * log1p(-uniform())).squareRoot()
        spareNormalBits = (radius * sin(angle)).bitPattern
        return radius * cos(angle)
    }

    /// From `blockSize` values on: each block of 16 uniform values becomes 16 normal ones.
    private static let blockSize = 16

    /// float32: all uniform values are drawn first; where `count` is no multiple of 16, the last 16 are drawn again.
    private mutating func normalsFromOneSweep(_ count: Int) -> [Float] {
        var values = rand(count)
        for start in stride(from: 0, through: count - Self.blockSize, by: Self.blockSize) {
            Self.transformBlock(&values, at: start)
        }
        if !count.isMultiple(of: Self.blockSize) { redrawLastBlock(&values) }
        return values
    }

    /// 16-bit dtypes: whole blocks are drawn one by one, so the redrawn last block starts earlier in the stream.
    private mutating func normalsBlockByBlock(_ count: Int) -> [Float] {
        let whole = count - count % Self.blockSize
        var values = normalsFromOneSweep(whole)
        if whole < count {
            values += [Float](repeating: 0, count: count - whole)
            redrawLastBlock(&values)
        }
        return values
    }

    private mutating func redrawLastBlock(_ values: inout [Float]) {
        let start = values.count - Self.blockSize
        values.replaceSubrange(start..., with: rand(Self.blockSize))
        Self.transformBlock(&values, at: start)
    }

    /// Box–Muller between value j and value j + 8 of the block. PyTorch evaluates it in vectorised float32, whose
    /// logarithm and cosine are good to 2e-6; double precision lies closest to every such evaluation.
    private static func transformBlock(_ values: inout [Float], at start: Int) {
        for index in start..<start + blockSize / 2 {
            let radius = (-2 * log(1 - Double(values[index]))).squareRoot()
            let angle = 2 * Double.pi * Double(values[index + blockSize / 2])
            values[index] = Float(radius * cos(angle))
            values[index + blockSize / 2] = Float(radius * sin(angle))
        }
    }

    /// Round to nearest, ties to even; draws are finite.
    private static func roundedToBFloat16(_ value: Float) -> Float {
        let bits = value.bitPattern
        return Float(bitPattern: (bits &+ 0x7fff &+ ((bits >> 16) & 1)) & 0xffff_0000)
    }
}

extension TorchGenerator: NormalSource {
    /// `torch.randn(count)` in float32.
    package mutating func randn(_ count: Int) -> [Float] {
        randn(count, precision: .float32)
    }
}

extension TorchGenerator: Codable {}
