package import Checkpoints
package import Tensors

/// Normalisation over the last dimension, PyTorch's `nn.LayerNorm` (arXiv 1607.06450): `weight` and `bias` [width].
package struct LayerNorm: Sendable {
    private let weight: Tensor
    private let bias: Tensor
    private let epsilon: Float

    package init(_ reader: ParameterReader, _ width: Int, epsilon: Double) {
        weight = reader.tensor("weight", [width]).tensor()
        bias = reader.tensor("bias", [width]).tensor()
        self.epsilon = Float(epsilon)
    }

    /// [batch, rows, width]
    package func callAsFunction(_ x: Tensor) -> Tensor {
        x.layerNormalized(weight: weight, bias: bias, epsilon: epsilon)
    }
}
