package import Checkpoints
package import Tensors

/// PyTorch's `nn.Conv2d` on channels-last pictures: `weight` [outputs, inputs, kernel, kernel], `bias` [outputs].
package struct Convolution: Sendable {
    private let weight: ConvolutionWeight

    /// Zero padding of `padding` positions on every side; half the kernel keeps the size.
    package init(
        _ reader: ParameterReader,
        _ inputs: Int,
        _ outputs: Int,
        kernel: Int,
        stride: Int = 1,
        padding: Int? = nil
    ) {
        weight = ConvolutionWeight(
            reader.tensor("weight", [outputs, inputs, kernel, kernel]),
            bias: reader.tensor("bias", [outputs]),
            stride: stride,
            padding: padding ?? kernel / 2
        )
    }

    /// [batch, height, width, inputs] → [batch, height / stride, width / stride, outputs]
    /// - Parameters:
    ///   - normalization: applied to `x` while it is read
    ///   - upsampling: reads `x`, then normalised, as if every position were there twice in both directions
    package func callAsFunction(
        _ x: Tensor,
        normalization: GroupNormalization? = nil,
        upsampling: Bool = false,
        adding residual: Tensor? = nil
    ) -> Tensor {
        x.convolved(weight, normalization: normalization, upsampling: upsampling, adding: residual)
    }

    /// The same for a 1×1 kernel and a picture that nobody needs afterwards, whose memory is given back on the way.
    package func project(_ x: consuming Tensor) -> Tensor {
        x.projected(weight)
    }
}
