package import Checkpoints
import Foundation
package import Tensors

/// Sinusoid of the timestep, then a two-layer perceptron, as diffusers' `Timesteps` and `TimestepEmbedding`.
package struct TimestepEmbedding: Sendable {
    /// `Timesteps` as most networks have it; UNets may name other values.
    package struct Sinusoid: Sendable, Equatable {
        package var width: Int
        /// `flip_sin_to_cos`: cosines stand before sines.
        package var beginsWithCosines = true
        /// `freq_shift`: taken from the number of frequencies where the exponents are divided by it.
        package var frequencyShift: Float = 0
    }

    private let sinusoid: Sinusoid
    private let linear1: Linear
    private let linear2: Linear

    package init(_ reader: ParameterReader, sinusoid width: Int, width outputs: Int) {
        self.init(reader, Sinusoid(width: width), width: outputs)
    }

    package init(_ reader: ParameterReader, _ sinusoid: Sinusoid, width: Int) {
        self.sinusoid = sinusoid
        linear1 = Linear(reader["linear_1"], sinusoid.width, width)
        linear2 = Linear(reader["linear_2"], width, width)
    }

    /// One timestep per batch item → [batch, width]
    package func callAsFunction(_ timesteps: [Float]) -> Tensor {
        let waves = sinusoid(timesteps)  // [batch, 1, sinusoid]
        let embedding = linear2(linear1(waves, activation: .silu))  // [batch, 1, width]
        return embedding.reshaped([timesteps.count, embedding.shape[2]])
    }
}

extension TimestepEmbedding.Sinusoid {
    /// Cosines and sines of t · 10000^(−i / (half − shift)): [batch, 1, width]
    func callAsFunction(_ timesteps: [Float]) -> Tensor {
        let half = width / 2
        var values: [Float] = []
        values.reserveCapacity(timesteps.count * width)
        for timestep in timesteps {
            let angles = (0..<half).map { index in
                timestep * exp(-log(Float(10000)) * Float(index) / (Float(half) - frequencyShift))
            }
            let (cosines, sines) = (angles.map { cos($0) }, angles.map { sin($0) })
            values += beginsWithCosines ? cosines + sines : sines + cosines
        }
        return Tensor(values, shape: [timesteps.count, 1, width])
    }
}
