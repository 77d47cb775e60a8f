import Checkpoints
import Tensors

/// PyTorch's `nn.Conv2d` with a 1×1 kernel, which is a matrix product: `weight` [outputs, inputs, 1, 1], `bias` [outputs].
/// Other than `Convolution`'s, its weight stays as and where it is stored.
struct PointwiseConvolution: Sendable {
    private let weight: LinearWeight

    init(_ reader: ParameterReader, _ inputs: Int, _ outputs: Int, bias: Bool = true) {
        let kernel = reader.tensor("weight", [outputs, inputs, 1, 1])
        weight = LinearWeight(
            kernel.reshaped([kernel.shape[0], kernel.shape[1]]),
            bias: bias ? reader.tensor("bias", [outputs]) : nil
        )
    }

    /// [batch, height, width, inputs] → [batch, height, width, outputs]
    func callAsFunction(_ x: Tensor, activation: Activation = .none) -> Tensor {
        x.linear(weight, activation: activation)
    }
}
