import CTriptychKernels

/// A convolution in which no channel sees another: every output pixel is a sum over its taps, channels side by side.
struct DepthwiseConvolution {
    let input: ConvolutionInput
    let weight: ConvolutionWeight
    let target: Tensor

    /// Channels of one piece of work: with nine taps their weights take 18 KiB and stay in the first-level cache along a
    /// line.
    private static let channelsPerPiece = 512

    /// PyTorch's [channels, 1, height, width] → [tap][channel].
    static func pack(_ stored: StoredTensor) -> Tensor {
        stored.tensor().reshaped([stored.shape[0], stored.count / stored.shape[0]]).permuted([1, 0])
    }

    func run(_ finish: Finish) {
        // The kernel begins its sums with the bias.
        let rest = Finish(activation: finish.activation, bias: nil, residual: finish.residual)
        forEachLine { image, y, channels, scratch in
            let window = window(image, y, channels, memory: scratch.floats(windowSize(channels)))
            var taps = Taps()
            for x in 0..<target.shape[2] {
                let offset = offset(image, y, x) + channels.lowerBound
                sum(&taps, window, y, x, channels, into: target.pointer + offset)
                rest.apply(
                    to: target.pointer,
                    offset: offset,
                    width: target.shape[3],
                    rows: 1,
                    columns: channels.count
                )
            }
        }
    }

    /// The target has half of the channels: first half × activation(second half).
    func runGated(_ activation: Activation) {
        forEachLine { image, y, channels, scratch in
            var room = ScratchLayout()
            let windowPart = room.reserve(2 * windowSize(channels))
            let valuePart = room.reserve(channels.count)
            let gatePart = room.reserve(channels.count)
            let memory = scratch.floats(room.count)
            let gates = channels.lowerBound + target.shape[3]..<channels.upperBound + target.shape[3]
            let values = window(image, y, channels, memory: memory + windowPart)
            let gateWindow = window(image, y, gates, memory: memory + windowPart + windowSize(channels))
            var taps = Taps()
            for x in 0..<target.shape[2] {
                sum(&taps, values, y, x, channels, into: memory + valuePart)
                sum(&taps, gateWindow, y, x, gates, into: memory + gatePart)
                Kernels.active.gate(
                    activation.kernelCode,
                    memory + gatePart,
                    memory + valuePart,
                    target.pointer + offset(image, y, x) + channels.lowerBound,
                    channels.count
                )
            }
        }
    }

    /// Every line of the target in pieces of its channels; neighbouring lines follow each other, since they share input.
    private func forEachLine(_ body: (_ image: Int, _ y: Int, _ channels: Range<Int>, _ scratch: Scratch) -> Void) {
        let pieces = Blocks(of: target.shape[3], atMost: Self.channelsPerPiece, grain: 64)
        let lines = target.shape[0] * target.shape[1]
        ComputePool.shared.run(items: pieces.count * lines) { item, scratch in
            let line = item % lines
            body(line / target.shape[1], line % target.shape[1], pieces[item / lines], scratch)
        }
    }

    private func offset(_ image: Int, _ y: Int, _ x: Int) -> Int {
        ((image * target.shape[1] + y) * target.shape[2] + x) * target.shape[3]
    }

    private func windowSize(_ channels: Range<Int>) -> Int {
        input.windowSize(lines: weight.kernelHeight, columns: columns.count, channels: channels.count)
    }

    /// Input columns under one line of the target.
    private var columns: Range<Int> {
        -weight.padding..<(target.shape[2] - 1) * weight.stride + weight.kernelWidth - weight.padding
    }

    private func window(
        _ image: Int,
        _ y: Int,
        _ channels: Range<Int>,
        memory: UnsafeMutablePointer<Float>
    ) -> ConvolutionInput.Window {
        let top = y * weight.stride - weight.padding
        return input.window(
            image: image,
            lines: top..<top + weight.kernelHeight,
            columns: columns,
            channels: channels,
            memory: memory
        )
    }

    /// What lies under one output pixel, inside the image.
    private struct Taps {
        var pixels: [UnsafePointer<Float>] = []
        var weights: [UnsafePointer<Float>] = []
    }

    private func sum(
        _ taps: inout Taps,
        _ window: ConvolutionInput.Window,
        _ y: Int,
        _ x: Int,
        _ channels: Range<Int>,
        into sums: UnsafeMutablePointer<Float>
    ) {
        taps.pixels.removeAll(keepingCapacity: true)
        taps.weights.removeAll(keepingCapacity: true)
        let (top, left) = (y * weight.stride - weight.padding, x * weight.stride - weight.padding)
        let weights = UnsafePointer(weight.panels.pointer + channels.lowerBound)
        for tap in 0..<weight.taps {
            guard let pixel = window(top + tap / weight.kernelWidth, left + tap % weight.kernelWidth) else { continue }
            taps.pixels.append(pixel)
            taps.weights.append(weights + tap * weight.outputChannels)
        }
        Kernels.active.depthwise(
            taps.pixels,
            taps.weights,
            taps.pixels.count,
            weight.bias.map { $0.pointer + channels.lowerBound },
            sums,
            channels.count
        )
    }
}
