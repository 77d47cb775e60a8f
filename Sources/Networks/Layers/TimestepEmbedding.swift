package import Checkpoints
import Foundation
package import Tensors

/// Sinusoid of the timestep, then a two-layer perceptron, as diffusers' `Timesteps` and `TimestepEmbedding`.
package struct TimestepEmbedding: Sendable {
    private let sinusoidWidth: Int
    private let linear1: Linear
    private let linear2: Linear

    package init(_ reader: ParameterReader, sinusoid sinusoidWidth: Int, width: Int) {
        self.sinusoidWidth = sinusoidWidth
        linear1 = Linear(reader["linear_1"], sinusoidWidth, width)
        linear2 = Linear(reader["linear_2"], width, width)
    }

    /// One timestep per batch item → [batch, width]
    package func callAsFunction(_ timesteps: [Float]) -> Tensor {
        let sinusoid = Self.sinusoid(timesteps, width: sinusoidWidth)  // [batch, 1, sinusoid]
        let embedding = linear2(linear1(sinusoid, activation: .silu))  // [batch, 1, width]
        return embedding.reshaped([timesteps.count, embedding.shape[2]])
    }

    /// Cosines, then sines, of t · 10000^(−i / half): `flip_sin_to_cos` with `freq_shift` 0. [batch, 1, width]
    static func sinusoid(_ timesteps: [Float], width: Int) -> Tensor {
        let half = width / 2
        var values: [Float] = []
        values.reserveCapacity(timesteps.count * width)
        for timestep in timesteps {
            let angles = (0..<half).map { index in
                timestep * exp(-log(Float(10000)) * Float(index) / Float(half))
            }
            values += angles.map { cos($0) }
            values += angles.map { sin($0) }
        }
        return Tensor(values, shape: [timesteps.count, 1, width])
    }
}
