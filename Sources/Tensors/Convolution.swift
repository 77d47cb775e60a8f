import CTriptychKernels

/// The weight of a two-dimensional convolution, repacked once from PyTorch's [out, in / groups, height, width].
package struct ConvolutionWeight: Sendable {
    /// [out, height × width × in / groups]: the order in which channels-last patches are gathered.
    let matrix: Tensor
    let bias: Tensor?
    let (kernelHeight, kernelWidth): (Int, Int)
    let (stride, padding, groups): (Int, Int, Int)
    /// Channels that come out.
    package let outputChannels: Int
    /// Channels that go in.
    package let inputChannels: Int

    /// `padding` zeros on each side.
    package init(_ stored: StoredTensor, bias: StoredTensor?, stride: Int, padding: Int, groups: Int = 1) {
        precondition(stored.shape.count == 4, "\(stored.name) has shape \(stored.shape)")
        outputChannels = stored.shape[0]
        inputChannels = stored.shape[1] * groups
        (kernelHeight, kernelWidth) = (stored.shape[2], stored.shape[3])
        precondition(outputChannels % groups == 0, "\(stored.name): \(groups) groups")
        (self.stride, self.padding, self.groups) = (stride, padding, groups)
        matrix = stored.tensor().permuted([0, 2, 3, 1])
            .reshaped([stored.shape[0], stored.shape[1...].reduce(1, *)])
        self.bias = bias?.tensor()
        precondition(
            self.bias.map { $0.count == stored.shape[0] } ?? true, "\(stored.name): bias of another width")
    }
}

extension Tensor {
    /// Convolution and residual: [batch, height, width, in] → [batch, height′, width′, out].
    package func convolved(_ weight: ConvolutionWeight, adding residual: Tensor? = nil) -> Tensor {
        precondition(
            shape.count == 4 && shape[3] == weight.inputChannels, "\(weight.inputChannels) channels for \(shape)")
        let (batch, height, width, channels) = (shape[0], shape[1], shape[2], shape[3])
        let outputHeight = (height + 2 * weight.padding - weight.kernelHeight) / weight.stride + 1
        let outputWidth = (width + 2 * weight.padding - weight.kernelWidth) / weight.stride + 1
        let result = Tensor.uninitialized([batch, outputHeight, outputWidth, weight.outputChannels])
        precondition(residual.map { $0.count == result.count } ?? true, "residual for \(result.shape)")
        let (inputs, outputs) = (channels / weight.groups, weight.outputChannels / weight.groups)
        let depth = inputs * weight.kernelHeight * weight.kernelWidth
        let (source, target) = (UnsafePointer(pointer), result.pointer)
        withExtendedLifetime((storage, residual, weight)) {
            ComputePool.shared.run(items: batch * outputHeight) { item in
                let (image, y) = (item / outputHeight, item % outputHeight)
                let patches = Tensor.uninitialized([outputWidth, depth])
                let line = target + item * outputWidth * weight.outputChannels
                for group in 0..<weight.groups {
                    var patch = patches.pointer
                    for x in 0..<outputWidth {
                        for ky in 0..<weight.kernelHeight {
                            for kx in 0..<weight.kernelWidth {
                                let row = y * weight.stride + ky - weight.padding
                                let column = x * weight.stride + kx - weight.padding
                                if 0..<height ~= row, 0..<width ~= column {
                                    let pixel = (image * height + row) * width + column
                                    patch.update(from: source + pixel * channels + group * inputs, count: inputs)
                                } else {
                                    patch.update(repeating: 0, count: inputs)
                                }
                                patch += inputs
                            }
                        }
                    }
                    Kernels.active.dot_rows(
                        patches.pointer, depth, outputWidth, 0, weight.matrix.pointer + group * outputs * depth, depth,
                        outputs, depth, line + group * outputs, weight.outputChannels)
                }
                Kernels.active.finish_rows(
                    Activation.none.kernelCode, weight.bias.map { UnsafePointer($0.pointer) },
                    residual.map { $0.pointer + item * outputWidth * weight.outputChannels }, weight.outputChannels,
                    line, weight.outputChannels, outputWidth, weight.outputChannels)
            }
        }
        return result
    }
}
