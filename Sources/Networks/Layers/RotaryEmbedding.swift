import Checkpoints
import Foundation
package import Tensors

/// How a language model's config describes its rotary position embedding (arXiv 2104.09864).
///
/// Both spellings are read: `rope_theta` with an optional `rope_scaling`, and the newer `rope_parameters`, which holds
/// theta and scaling in one object.
package struct RotaryConfig: Sendable, Equatable {
    package enum Scaling: Sendable, Equatable {
        case none
        /// Positions divided by a factor.
        case linear(factor: Double)
        /// Llama 3.1: long wavelengths are stretched, short ones kept, the ones between are interpolated.
        case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalLength: Int)
    }

    package var theta: Double
    package var scaling: Scaling
    /// How many pairs of a head's components turn with time, row and column, one behind the other (M-RoPE of Qwen2-VL,
    /// arXiv 2409.12191); empty where a token has one position.
    package var sections: [Int] = []

    package init(theta: Double = 10000, scaling: Scaling = .none) {
        self.theta = theta
        self.scaling = scaling
    }

    private enum ConfigKeys: String, CodingKey {
        case theta = "rope_theta"
        case scaling = "rope_scaling"
        case parameters = "rope_parameters"
    }

    private enum ScalingKeys: String, CodingKey {
        case theta = "rope_theta"
        case type = "rope_type"
        case oldType = "type"
        case factor
        case lowFrequencyFactor = "low_freq_factor"
        case highFrequencyFactor = "high_freq_factor"
        case originalLength = "original_max_position_embeddings"
        case sections = "mrope_section"
        case interleavesSections = "mrope_interleaved"
    }

    /// Reads the keys that stand directly in a model's config.
    /// - Parameter theta: where the config names none
    package init(fromConfig decoder: any Decoder, headWidth: Int, theta defaultTheta: Double) throws {
        self.init(theta: defaultTheta)
        let config = try decoder.container(keyedBy: ConfigKeys.self)
        theta = try config.number(.theta, in: 1...1e12, default: theta)
        for key in [ConfigKeys.scaling, .parameters]
        where try config.holds(key) {
            let container = try config.nestedContainer(keyedBy: ScalingKeys.self, forKey: key)
            theta = try container.number(.theta, in: 1...1e12, default: theta)
            scaling = try Self.scaling(container)
            if try container.holds(.sections) { sections = try Self.sections(container, pairs: headWidth / 2) }
        }
    }

    private static func sections(_ container: KeyedDecodingContainer<ScalingKeys>, pairs: Int) throws -> [Int] {
        let sections = try container.decode([Int].self, forKey: .sections)
        guard sections.count == 3, sections.allSatisfy((0...pairs).contains), sections.reduce(0, +) == pairs else {
            throw container.invalid(.sections, "\(sections) are not three numbers whose sum is half a head, \(pairs)")
        }
        guard try container.decodeIfPresent(Bool.self, forKey: .interleavesSections) != true else {
            throw container.invalid(.interleavesSections, "true is not supported")
        }
        return sections
    }

    private static func scaling(_ container: KeyedDecodingContainer<ScalingKeys>) throws -> Scaling {
        let key: ScalingKeys = container.contains(.type) ? .type : .oldType
        let type = try container.decodeIfPresent(String.self, forKey: key) ?? "default"
        switch type {
        case "default": return .none
        case "mrope":
            // Positions of three axes, named as a type by the first configs that had them.
            guard container.contains(.sections) else { throw container.invalid(key, "\"mrope\" needs mrope_section") }
            return .none
        case "linear": return .linear(factor: try container.number(.factor, in: 1...1e6))
        case "llama3":
            let low = try container.number(.lowFrequencyFactor, in: 1e-3...1e6)
            let high = try container.number(.highFrequencyFactor, in: 1e-3...1e6)
            guard low < high else { throw container.invalid(.highFrequencyFactor, "is not above low_freq_factor") }
            return .llama3(
                factor: try container.number(.factor, in: 1...1e6),
                lowFrequencyFactor: low,
                highFrequencyFactor: high,
                originalLength: try container.integer(.originalLength, in: 1...(1 << 30))
            )
        default: throw container.invalid(key, "rope type \"\(type)\" is not supported (default, mrope, linear, llama3)")
        }
    }
}

/// Cosines and sines by which queries and keys are turned, for any positions.
package struct RotaryEmbedding: Sendable {
    /// Radians a position, one for each pair of components; float32 as transformers keeps them.
    private let frequencies: [Float]
    /// Which axis each pair turns with; empty where there is one.
    private let axes: [Int]

    package init(_ config: RotaryConfig, headWidth: Int) {
        axes = config.sections.enumerated().flatMap { Array(repeating: $0, count: $1) }
        let base = stride(from: 0, to: headWidth, by: 2).map { component in
            1 / pow(Float(config.theta), Float(component) / Float(headWidth))
        }
        switch config.scaling {
        case .none: frequencies = base
        case .linear(let factor): frequencies = base.map { $0 / Float(factor) }
        case .llama3(let factor, let low, let high, let originalLength):
            frequencies = base.map { frequency in
                let wavelength = 2 * Float.pi / frequency
                let length = Float(originalLength)
                if wavelength < length / Float(high) { return frequency }
                if wavelength > length / Float(low) { return frequency / Float(factor) }
                let smooth = (length / wavelength - Float(low)) / Float(high - low)
                return (1 - smooth) * frequency / Float(factor) + smooth * frequency
            }
        }
    }

    /// For `rows` positions one by one from each item's start on: [batch, rows, headWidth / 2] each.
    package func callAsFunction(starts: [Int], rows: Int) -> (cosines: Tensor, sines: Tensor) {
        self(RotaryPositions(starts: starts, rows: rows))
    }

    /// [batch, rows, headWidth / 2] each
    package func callAsFunction(_ positions: RotaryPositions) -> (cosines: Tensor, sines: Tensor) {
        precondition(!positions.isSpatial || !axes.isEmpty, "positions of three axes for a model of one")
        var cosines: [Float] = []
        var sines: [Float] = []
        cosines.reserveCapacity(positions.items * positions.rows * frequencies.count)
        sines.reserveCapacity(cosines.capacity)
        for item in 0..<positions.items {
            for row in 0..<positions.rows {
                for (pair, frequency) in frequencies.enumerated() {
                    let axis = positions.isSpatial ? axes[pair] : 0
                    let angle = Float(positions.axes[axis][item][row]) * frequency
                    cosines.append(cos(angle))
                    sines.append(sin(angle))
                }
            }
        }
        let shape = [positions.items, positions.rows, frequencies.count]
        return (Tensor(cosines, shape: shape), Tensor(sines, shape: shape))
    }
}
