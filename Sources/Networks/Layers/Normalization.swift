package import Checkpoints
package import Tensors

/// Root-mean-square normalisation over the last dimension, as in Llama (arXiv 1910.07467).
package struct RMSNorm: Sendable {
    private let weight: Tensor
    private let epsilon: Float

    package init(_ reader: ParameterReader, _ width: Int, epsilon: Double) {
        weight = reader.tensor("weight", [width]).tensor()
        self.epsilon = Float(epsilon)
    }

    /// [batch, rows, width]
    package func callAsFunction(_ x: Tensor) -> Tensor {
        x.rmsNormalized(weight: weight, epsilon: epsilon)
    }
}

/// Normalisation over groups of channels and all positions of one picture (arXiv 1803.08494).
package struct GroupNorm: Sendable {
    private let weight: Tensor
    private let bias: Tensor
    private let groups: Int
    private let epsilon: Float

    package init(_ reader: ParameterReader, groups: Int, channels: Int, epsilon: Double) {
        weight = reader.tensor("weight", [channels]).tensor()
        bias = reader.tensor("bias", [channels]).tensor()
        self.groups = groups
        self.epsilon = Float(epsilon)
    }

    /// [batch, height, width, channels] or [batch, rows, channels]
    package func callAsFunction(_ x: Tensor, activation: Activation = .none) -> Tensor {
        x.groupNormalized(groups: groups, weight: weight, bias: bias, epsilon: epsilon, activation: activation)
    }

    /// The same, to be applied by the convolution that reads `x` next.
    package func moments(of x: Tensor, activation: Activation = .none) -> GroupNormalization {
        x.groupNormalization(groups: groups, weight: weight, bias: bias, epsilon: epsilon, activation: activation)
    }
}
