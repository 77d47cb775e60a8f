package import Checkpoints
package import Tensors

/// PyTorch's `nn.Conv2d` on channels-last pictures: `weight` [outputs, inputs / groups, kernel, kernel], `bias` [outputs].
package struct Convolution: Sendable {
    private let weight: ConvolutionWeight

    /// Zero padding of `padding` positions on every side; half the kernel keeps the size. With as many groups as channels,
    /// no channel sees another.
    package init(
        _ reader: ParameterReader,
        _ inputs: Int,
        _ outputs: Int,
        kernel: Int,
        stride: Int = 1,
        padding: Int? = nil,
        groups: Int = 1,
        bias: Bool = true
    ) {
        weight = ConvolutionWeight(
            reader.tensor("weight", [outputs, inputs / groups, kernel, kernel]),
            bias: bias ? reader.tensor("bias", [outputs]) : nil,
            stride: stride,
            padding: padding ?? kernel / 2,
            groups: groups
        )
    }

    /// [batch, height, width, inputs] → [batch, height / stride, width / stride, outputs]
    /// - Parameters:
    ///   - normalization: applied to `x` while it is read
    ///   - upsampling: reads `x`, then normalised, as if every position were there twice in both directions
    ///   - activation: of the result, before `residual` is added
    package func callAsFunction(
        _ x: Tensor,
        normalization: GroupNormalization? = nil,
        upsampling: Bool = false,
        activation: Activation = .none,
        adding residual: Tensor? = nil
    ) -> Tensor {
        x.convolved(
            weight,
            normalization: normalization,
            upsampling: upsampling,
            activation: activation,
            adding: residual
        )
    }

    /// The same for a 1×1 kernel and a picture that nobody needs afterwards, whose memory is given back on the way.
    package func project(_ x: consuming Tensor) -> Tensor {
        x.projected(weight)
    }

    /// Adds norm(convolution of x) to a residual in place, without ever holding all of it.
    func add(_ x: Tensor, to residual: inout Tensor, norm: (inout Tensor) -> Void) {
        residual.addConvolved(x, weight, norm: norm)
    }

    /// Of a convolution in which no channel sees another, the first half of the outputs times the activated second half:
    /// [batch, height, width, outputs / 2]
    func gated(_ x: Tensor, _ activation: Activation) -> Tensor {
        x.gateConvolved(weight, activation)
    }
}
