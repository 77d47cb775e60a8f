import Checkpoints
import Tensors

/// diffusers' `GLUMBConv`, Sana's Mix-FFN (arXiv 2410.10629): to two hidden layers by a 1×1 convolution, neighbours by a
/// depthwise 3×3 one, one hidden layer gating the other, and back to the width. Norm and residual, where a network has
/// them, are its own.
struct GLUMBConv: Sendable {
    private let inverted: PointwiseConvolution
    private let depthwise: Convolution
    private let point: PointwiseConvolution

    init(_ reader: ParameterReader, _ width: Int, hidden: Int) {
        inverted = PointwiseConvolution(reader["conv_inverted"], width, 2 * hidden)
        depthwise = Convolution(reader["conv_depth"], 2 * hidden, 2 * hidden, kernel: 3, groups: 2 * hidden)
        point = PointwiseConvolution(reader["conv_point"], hidden, width, bias: false)
    }

    /// [batch, height, width, width] → the same shape
    func callAsFunction(_ x: Tensor) -> Tensor {
        point(depthwise.gated(inverted(x, activation: .silu), .silu))
    }
}
