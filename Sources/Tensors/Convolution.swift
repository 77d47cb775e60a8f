import CTriptychKernels

/// The weight of a two-dimensional convolution, repacked once from PyTorch's [out, in / groups, height, width]: into
/// panels of the matrix tile, or by taps where channels don't mix.
package struct ConvolutionWeight: Sendable {
    /// [group][panel of output channels][block of input channels][tap][input channel][tile_columns]; depthwise:
    /// [tap][channel].
    let panels: Tensor
    let bias: Tensor?
    let (kernelHeight, kernelWidth): (Int, Int)
    let (stride, padding, groups): (Int, Int, Int)
    /// Channels that come out.
    package let outputChannels: Int
    /// Channels that go in.
    package let inputChannels: Int
    /// Whether every channel is convolved by itself.
    let isDepthwise: Bool

    /// `padding` zeros on each side; `groups` divides the channels of both sides.
    package init(_ stored: StoredTensor, bias: StoredTensor?, stride: Int, padding: Int, groups: Int = 1) {
        precondition(stored.shape.count == 4, "\(stored.name) has shape \(stored.shape)")
        outputChannels = stored.shape[0]
        inputChannels = stored.shape[1] * groups
        (kernelHeight, kernelWidth) = (stored.shape[2], stored.shape[3])
        (self.stride, self.padding, self.groups) = (stride, padding, groups)
        self.bias = bias?.tensor()
        precondition(
            self.bias.map { $0.count == stored.shape[0] } ?? true,
            "\(stored.name): bias of another width"
        )
        isDepthwise = groups > 1 && stored.shape[0] == groups && stored.shape[1] == 1
        panels = isDepthwise ? DepthwiseConvolution.pack(stored) : ConvolutionWeight.pack(stored, groups: groups)
    }

    /// Input channels of one group, in the blocks in which they are multiplied.
    var depths: Blocks { Blocks(of: inputChannels / groups, atMost: Blocking.depth, grain: 16) }
    var taps: Int { kernelHeight * kernelWidth }
    var panelsPerGroup: Int { (outputChannels / groups + Blocking.tileColumns - 1) / Blocking.tileColumns }
    /// Floats of one panel.
    var panelStride: Int { inputChannels / groups * taps * Blocking.tileColumns }

    private static func pack(_ stored: StoredTensor, groups: Int) -> Tensor {
        let (outputs, inputs) = (stored.shape[0] / groups, stored.shape[1])
        let taps = stored.shape[2] * stored.shape[3]
        let columns = Blocking.tileColumns
        let panelsPerGroup = (outputs + columns - 1) / columns
        let depths = Blocks(of: inputs, atMost: Blocking.depth, grain: 16)
        // [out, in, taps] → [out, taps, in], widened.
        let rows = stored.tensor().reshaped([stored.shape[0], inputs, taps]).permuted([0, 2, 1])
        let result = Tensor.uninitialized([groups * panelsPerGroup * columns * taps * inputs])
        for group in 0..<groups {
            for panel in 0..<panelsPerGroup {
                let first = result.pointer + (group * panelsPerGroup + panel) * columns * taps * inputs
                for block in 0..<depths.count {
                    let range = depths[block]
                    for tap in 0..<taps {
                        packRows(
                            (0..<columns).map { column in
                                let output = panel * columns + column
                                guard output < outputs else { return nil }
                                let row = (group * outputs + output) * taps + tap
                                return UnsafeRawPointer(rows.pointer + row * inputs + range.lowerBound)
                            },
                            depth: range.count,
                            into: first + (range.lowerBound * taps + tap * range.count) * columns,
                            stride: columns
                        )
                    }
                }
            }
        }
        return result
    }
}

extension Tensor {
    /// activation(convolution) + residual: [batch, height, width, in] → [batch, height′, width′, out].
    ///
    /// The input may be normalised, and then enlarged as `upsampledNearest2x` does, while it is read.
    package func convolved(
        _ weight: ConvolutionWeight,
        normalization: GroupNormalization? = nil,
        upsampling: Bool = false,
        activation: Activation = .none,
        adding residual: Tensor? = nil
    ) -> Tensor {
        precondition(
            normalization.map { $0.scales.shape == [shape[0], shape[3]] } ?? true,
            "a normalization of another tensor than \(shape)"
        )
        let input = ConvolutionInput(source: self, normalization: normalization, isUpsampled: upsampling)
        let result = Tensor.uninitialized(input.outputShape(weight))
        precondition(residual.map { $0.count == result.count } ?? true, "residual for \(result.shape)")
        input.convolve(
            weight,
            finish: Finish(activation: activation, bias: weight.bias, residual: residual),
            into: result
        )
        return result
    }

    /// A depthwise convolution of which one half of the channels gates the other, as in Sana's Mix-FFN (arXiv
    /// 2410.10629): first half × activation(second half), [batch, height, width, 2 × c] → [batch, height′, width′, c].
    package func gateConvolved(_ weight: ConvolutionWeight, _ activation: Activation) -> Tensor {
        precondition(weight.isDepthwise && weight.outputChannels.isMultiple(of: 2), "a depthwise convolution")
        let input = ConvolutionInput(source: self, normalization: nil, isUpsampled: false)
        let shape = input.outputShape(weight)
        let result = Tensor.uninitialized(shape.dropLast() + [shape[3] / 2])
        withExtendedLifetime((self, weight, result)) {
            DepthwiseConvolution(input: input, weight: weight, target: result).runGated(activation)
        }
        return result
    }

    /// Adds a convolution of `source` in place, behind a norm over the channels of every pixel: self += norm(convolution).
    /// The convolution is made in bands of lines, so that it is never whole in memory.
    package mutating func addConvolved(
        _ source: Tensor,
        _ weight: ConvolutionWeight,
        norm: (inout Tensor) -> Void
    ) {
        let whole = ConvolutionInput(source: source, normalization: nil, isUpsampled: false)
        precondition(shape == whole.outputShape(weight), "\(source.shape) for \(shape)")
        makeUnique()
        let (height, line) = (shape[1], shape[2] * shape[3])
        // An eighth of the image keeps all threads busy; bands begin on even lines (see `WinogradConvolution`).
        let bands = Blocks(of: height, atMost: max(32, height / 16 * 2), grain: 2)
        for image in 0..<shape[0] {
            let input = ConvolutionInput(source: source[image..<image + 1], normalization: nil, isUpsampled: false)
            for index in 0..<bands.count {
                let lines = bands[index]
                var band = Tensor.uninitialized([1, lines.count, shape[2], shape[3]])
                let finish = Finish(activation: .none, bias: weight.bias, residual: nil)
                input.convolve(weight, finish: finish, into: band, from: lines.lowerBound, of: height)
                norm(&band)
                let target = pointer + (image * height + lines.lowerBound) * line
                band.withUnsafeBufferPointer { values in
                    guard let first = values.baseAddress else { return }
                    ComputePool.shared.run(items: lines.count) { index in
                        Kernels.active.add(target + index * line, first + index * line, target + index * line, line)
                    }
                }
            }
        }
    }

    /// A 1×1 convolution of an image that nobody needs afterwards: where its memory is not shared, it goes back to the
    /// system line by line as it is read. The widest shortcut of an image decoder thus needs no memory of its own.
    package consuming func projected(_ weight: ConvolutionWeight) -> Tensor {
        precondition(weight.taps == 1 && weight.stride == 1 && weight.padding == 0, "a convolution over neighbours")
        var source = self
        guard isKnownUniquelyReferenced(&source.storage), source.count > 1 << 20 else {
            return source.convolved(weight)
        }
        let (lines, width) = (source.shape[0] * source.shape[1], source.shape[2])
        let result = Tensor.uninitialized([source.shape[0], source.shape[1], width, weight.outputChannels])
        let bands = Blocks(of: lines, atMost: max(1, lines / 16))
        let finish = Finish(activation: .none, bias: weight.bias, residual: nil)
        for index in 0..<bands.count {
            let band = bands[index]
            let input = source.reshaped([lines, 1, width, weight.inputChannels])[band]
            let output = result.reshaped([lines, 1, width, weight.outputChannels])[band]
            ConvolutionInput(source: input, normalization: nil, isUpsampled: false)
                .convolve(weight, finish: finish, into: output)
            source.storage.discard(input.offset..<input.offset + input.count)
        }
        return result
    }
}

extension ConvolutionInput {
    fileprivate func outputShape(_ weight: ConvolutionWeight) -> [Int] {
        precondition(
            source.shape.count == 4 && channels == weight.inputChannels && weight.outputChannels % weight.groups == 0,
            "\(weight.inputChannels) → \(weight.outputChannels) channels in \(weight.groups) groups for \(source.shape)"
        )
        let room = (height + 2 * weight.padding, width + 2 * weight.padding)
        precondition(
            room.0 >= weight.kernelHeight && room.1 >= weight.kernelWidth,
            "\(source.shape) is smaller than the kernel"
        )
        return [
            source.shape[0],
            (room.0 - weight.kernelHeight) / weight.stride + 1,
            (room.1 - weight.kernelWidth) / weight.stride + 1,
            weight.outputChannels,
        ]
    }

    fileprivate func convolve(_ weight: ConvolutionWeight, finish: Finish, into target: Tensor) {
        guard weight.isDepthwise, target.count > 0 else {
            return convolve(weight, finish: finish, into: target, from: 0, of: target.shape[1])
        }
        withExtendedLifetime((self, finish, target)) {
            DepthwiseConvolution(input: self, weight: weight, target: target).run(finish)
        }
    }

    /// The lines of an output of height `height` that a target beginning with line `firstLine` has room for.
    fileprivate func convolve(
        _ weight: ConvolutionWeight,
        finish: Finish,
        into target: Tensor,
        from firstLine: Int,
        of height: Int
    ) {
        precondition(!weight.isDepthwise, "a convolution that mixes channels")
        guard target.count > 0 else { return }
        withExtendedLifetime((self, finish, target)) {
            // Chosen by the whole output, so that its parts are made alike.
            if WinogradConvolution.suits(weight, height: height, width: target.shape[2]) {
                WinogradConvolution(input: self, weight: weight, finish: finish, target: target, firstLine: firstLine)
                    .run()
            } else {
                DirectConvolution(input: self, weight: weight, finish: finish, target: target, firstLine: firstLine)
                    .run()
            }
        }
    }
}
