import CTriptychKernels

/// One convolution, cut into blocks of output pixels. The pixels under a block are transposed into panels once, with the
/// halo that its taps need, and every tap is a matrix product with a shifted view of them.
struct DirectConvolution {
    let input: ConvolutionInput
    let weight: ConvolutionWeight
    let finish: Finish
    let target: Tensor
    /// The line of the whole output with which the target begins.
    let firstLine: Int

    /// Blocks of whole images, lines and columns of the output; some 256 pixels together, so that a block's panels fit
    /// the second-level cache and a weight panel is used for all of them.
    private let images: Blocks
    private let lines: Blocks
    private let columns: Blocks
    /// Output pixels of one panel, along a line.
    private let pixels: Blocks

    init(input: ConvolutionInput, weight: ConvolutionWeight, finish: Finish, target: Tensor, firstLine: Int) {
        self.input = input
        self.weight = weight
        self.finish = finish
        self.target = target
        self.firstLine = firstLine
        let (batch, height, width) = (target.shape[0], target.shape[1], target.shape[2])
        columns = Blocks(of: width, atMost: 8 * Blocking.tileRows)
        lines = Blocks(of: height, atMost: max(1, 256 / columns.size))
        images = Blocks(of: batch, atMost: lines.count * columns.count > 1 ? 1 : max(1, 256 / (height * width)))
        pixels = Blocks(of: columns.size, atMost: Blocking.tileRows)
    }

    func run() {
        let pool = ComputePool.shared
        let places = images.count * lines.count * columns.count
        // Output channels are shared out where the places alone leave threads idle.
        let perItem = max(1, weight.panelsPerGroup * places / (4 * pool.threads))
        let outputs = Blocks(of: weight.panelsPerGroup, atMost: perItem)
        pool.run(items: places * outputs.count) { item, scratch in
            let place = item / outputs.count
            compute(
                images: images[place / columns.count / lines.count],
                lines: lines[place / columns.count % lines.count],
                columns: columns[place % columns.count],
                panels: outputs[item % outputs.count],
                scratch: scratch
            )
        }
    }

    /// Pixels that one panel covers in the input.
    private var reach: Int { (pixels.size - 1) * weight.stride + weight.kernelWidth }
    /// Input pixels of one phase of the stride: pixel j lies at (j mod stride) × phase + j / stride, which makes the
    /// pixels under one tap neighbours.
    private var phase: Int { (reach + weight.stride - 1) / weight.stride }
    private var panelWidth: Int { phase * weight.stride }

    private func compute(
        images: Range<Int>,
        lines: Range<Int>,
        columns: Range<Int>,
        panels: Range<Int>,
        scratch: Scratch
    ) {
        let inputLines = (lines.count - 1) * weight.stride + weight.kernelHeight
        let panelsPerLine = (columns.count + pixels.size - 1) / pixels.size
        let lineStride = panelsPerLine * panelWidth
        let outputs = weight.outputChannels / weight.groups
        var room = ScratchLayout()
        let packedPart = room.reserve(images.count * inputLines * lineStride * weight.depths.size)
        let windowPart = room.reserve(
            input.windowSize(
                lines: inputLines,
                columns: columns.count * weight.stride + weight.kernelWidth,
                channels: weight.depths.size
            )
        )
        let memory = scratch.floats(room.count)
        let packed = memory + packedPart
        for group in 0..<weight.groups {
            for block in 0..<weight.depths.count {
                let depths = weight.depths[block]
                pack(images, lines, columns, inputLines, group, depths, through: memory + windowPart, into: packed)
                for panel in panels {
                    let channel = panel * Blocking.tileColumns
                    let width = min(Blocking.tileColumns, outputs - channel)
                    let weights =
                        weight.panels.pointer + (group * weight.panelsPerGroup + panel) * weight.panelStride
                        + depths.lowerBound * weight.taps * Blocking.tileColumns
                    for tap in 0..<weight.taps {
                        let (ky, kx) = (tap / weight.kernelWidth, tap % weight.kernelWidth)
                        let shift = kx % weight.stride * phase + kx / weight.stride
                        for (image, line) in product(images, lines) {
                            let inputLine =
                                (image - images.lowerBound) * inputLines + (line - lines.lowerBound) * weight.stride
                                + ky
                            Kernels.active.multiply_panels(
                                packed + inputLine * lineStride * depths.count + shift,
                                pixels.size,
                                panelWidth * depths.count,
                                panelWidth,
                                weights + tap * depths.count * Blocking.tileColumns,
                                Blocking.tileColumns,
                                depths.count,
                                target.pointer + offset(image, line, columns.lowerBound, group * outputs + channel),
                                weight.outputChannels,
                                columns.count,
                                width,
                                block > 0 || tap > 0
                            )
                        }
                    }
                    guard block == weight.depths.count - 1 else { continue }
                    for (image, line) in product(images, lines) {
                        finish.apply(
                            to: target.pointer,
                            offset: offset(image, line, columns.lowerBound, group * outputs + channel),
                            width: weight.outputChannels,
                            rows: columns.count,
                            columns: width
                        )
                    }
                }
            }
        }
    }

    private func offset(_ image: Int, _ line: Int, _ column: Int, _ channel: Int) -> Int {
        ((image * target.shape[1] + line) * target.shape[2] + column) * weight.outputChannels + channel
    }

    /// Transposes the input pixels of a block, zeros beyond the edges: [image][line][panel][channel][pixel].
    private func pack(
        _ images: Range<Int>,
        _ lines: Range<Int>,
        _ columns: Range<Int>,
        _ inputLines: Int,
        _ group: Int,
        _ depths: Range<Int>,
        through memory: UnsafeMutablePointer<Float>,
        into packed: UnsafeMutablePointer<Float>
    ) {
        let channel = group * (input.channels / weight.groups) + depths.lowerBound
        let top = (firstLine + lines.lowerBound) * weight.stride - weight.padding
        let left = columns.lowerBound * weight.stride - weight.padding
        var panel = packed
        var rows = [UnsafeRawPointer?](repeating: nil, count: panelWidth)
        for image in images {
            let window = input.window(
                image: image,
                lines: top..<top + inputLines,
                columns: left..<left + (columns.count - 1) * weight.stride + weight.kernelWidth,
                channels: channel..<channel + depths.count,
                memory: memory
            )
            for line in top..<top + inputLines {
                for first in stride(from: 0, to: columns.count, by: pixels.size) {
                    for position in 0..<reach {
                        rows[position % weight.stride * phase + position / weight.stride] = UnsafeRawPointer(
                            window(line, left + first * weight.stride + position)
                        )
                    }
                    packRows(rows, depth: depths.count, into: panel, stride: panelWidth)
                    panel += panelWidth * depths.count
                }
            }
        }
    }
}

/// All pairs, the second counting faster.
func product(_ outer: Range<Int>, _ inner: Range<Int>) -> [(Int, Int)] {
    outer.flatMap { first in inner.map { (first, $0) } }
}
