import CTriptychKernels

/// A 3×3 convolution of stride 1 by Winograd's minimal filtering F(2×2, 3×3) (Lavin and Gray, 2015): 2.25 times fewer
/// multiplications, at about three times the rounding error of the direct sum.
///
/// Output tiles of 2 × 2 pixels are taken in blocks. For some input channels at a time, the 4 × 4 pixels under every tile
/// are transformed and transposed into panels, the weights of one panel of output channels are transformed, and each of
/// the 16 positions is a matrix product. The weights' transforms are kept for all blocks where they are small, as in an
/// image decoder's large layers; elsewhere they live as long as a block, and weights stay in memory only once.
struct WinogradConvolution {
    let input: ConvolutionInput
    let weight: ConvolutionWeight
    let finish: Finish
    let target: Tensor
    /// The line of the whole output with which the target begins: even, so that every band of it has the same tiles.
    let firstLine: Int

    /// Blocks of images, and of lines and columns of tiles.
    private let images: Blocks
    private let lines: Blocks
    private let columns: Blocks
    /// Tiles of one panel, along a line.
    private let panelTiles: Int

    /// Tiles of one block: with 96 channels their transforms take 600 KiB of the second-level cache, and the transform of
    /// the weights costs a twentieth of the products.
    private static let tilesPerBlock = 96
    /// Input channels that are transformed at a time.
    private static let channelsPerStep = 96

    /// Largest transform of all weights, in floats (8 MiB), that is made once for all blocks.
    private static let sharedWeights = 1 << 21

    /// Whether the transforms pay for themselves; depends on the shape of one image only. GFLOP/s of the direct sum, of
    /// one Zen 5 thread with AVX-512, against `DirectConvolution`: 64² × 512 → 512 465 to 239, 64² × 64 → 64 351 to 239,
    /// 32² × 128 → 128 315 to 251, 64² × 32 → 32 229 to 210, 16² × 64 → 64 244 to 232, 8² × 256 → 256 186 to 238.
    static func suits(_ weight: ConvolutionWeight, height: Int, width: Int) -> Bool {
        weight.kernelHeight == 3 && weight.kernelWidth == 3 && weight.stride == 1 && weight.groups == 1
            && weight.inputChannels >= 32 && weight.outputChannels >= 32 && height * width >= 256
    }

    init(input: ConvolutionInput, weight: ConvolutionWeight, finish: Finish, target: Tensor, firstLine: Int) {
        precondition(firstLine.isMultiple(of: 2), "tiles of two lines from line \(firstLine) on")
        self.input = input
        self.weight = weight
        self.finish = finish
        self.target = target
        self.firstLine = firstLine
        let (tileLines, tileColumns) = ((target.shape[1] + 1) / 2, (target.shape[2] + 1) / 2)
        columns = Blocks(of: tileColumns, atMost: 4 * Blocking.tileRows)
        lines = Blocks(of: tileLines, atMost: max(1, Self.tilesPerBlock / columns.size))
        images = Blocks(
            of: target.shape[0],
            atMost: lines.count * columns.count > 1 ? 1 : max(1, Self.tilesPerBlock / (tileLines * tileColumns))
        )
        panelTiles = Blocks(of: columns.size, atMost: Blocking.tileRows).size
    }

    func run() {
        let pool = ComputePool.shared
        let places = images.count * lines.count * columns.count
        let perItem = max(1, weight.panelsPerGroup * places / (4 * pool.threads))
        let outputs = Blocks(of: weight.panelsPerGroup, atMost: perItem)
        let transformed = places >= 4 ? sharedTransform() : nil
        pool.run(items: places * outputs.count) { item, scratch in
            let place = item / outputs.count
            compute(
                Place(
                    images: images[place / columns.count / lines.count],
                    lines: lines[place / columns.count % lines.count],
                    columns: columns[place % columns.count],
                    panelTiles: panelTiles
                ),
                panels: outputs[item % outputs.count],
                transformed: transformed,
                scratch: scratch
            )
        }
    }

    /// The transforms of all weights, [panel][step of input channels][position][channel][tile_columns]; nil where they
    /// are too large to be read for every block.
    private func sharedTransform() -> Tensor? {
        let panelStride = 16 * weight.inputChannels * Blocking.tileColumns
        guard weight.panelsPerGroup * panelStride <= Self.sharedWeights else { return nil }
        let result = Tensor.uninitialized([weight.panelsPerGroup, panelStride])
        ComputePool.shared.run(items: weight.panelsPerGroup) { panel in
            for (depths, channels) in steps {
                transformWeights(
                    panel,
                    depths,
                    channels,
                    into: result.pointer + panel * panelStride + 16 * channels.lowerBound * Blocking.tileColumns
                )
            }
        }
        return result
    }

    /// The blocks in which input channels lie in the weights, each with the steps in which they are multiplied.
    private var steps: [(depths: Range<Int>, channels: Range<Int>)] {
        (0..<weight.depths.count).flatMap { block in
            let depths = weight.depths[block]
            let steps = Blocks(of: depths.count, atMost: Self.channelsPerStep)
            return (0..<steps.count).map { step in
                let (first, last) = (steps[step].lowerBound, steps[step].upperBound)
                return (depths, depths.lowerBound + first..<depths.lowerBound + last)
            }
        }
    }

    private func transformWeights(
        _ panel: Int,
        _ depths: Range<Int>,
        _ channels: Range<Int>,
        into memory: UnsafeMutablePointer<Float>
    ) {
        let block = weight.panels.pointer + panel * weight.panelStride
        let offset = depths.lowerBound * weight.taps + channels.lowerBound - depths.lowerBound
        Kernels.active.winograd_weights(
            block + offset * Blocking.tileColumns,
            depths.count * Blocking.tileColumns,
            channels.count,
            memory
        )
    }

    /// The tiles of one block.
    private struct Place {
        let images: Range<Int>
        let lines: Range<Int>
        let columns: Range<Int>
        let panelTiles: Int

        var panelsPerLine: Int { (columns.count + panelTiles - 1) / panelTiles }
        /// All tiles, with those that fill up the last panel of each line.
        var count: Int { images.count * lines.count * panelsPerLine * panelTiles }
    }

    private func compute(_ place: Place, panels: Range<Int>, transformed: Tensor?, scratch: Scratch) {
        let width = Blocking.tileColumns
        var room = ScratchLayout()
        let inputPart = room.reserve(16 * place.count * Self.channelsPerStep)
        let rowPart = room.reserve(16 * panelTiles * Self.channelsPerStep)
        let weightPart = room.reserve(16 * Self.channelsPerStep * width)
        let productPart = room.reserve(panels.count * 16 * place.count * width)
        let windowPart = room.reserve(
            input.windowSize(
                lines: 2 * place.lines.count + 2,
                columns: 2 * place.columns.count + 2,
                channels: Self.channelsPerStep
            )
        )
        let memory = scratch.floats(room.count)
        let position = place.count * width
        for (step, (depths, channels)) in steps.enumerated() {
            transformInput(
                place,
                channels,
                window: memory + windowPart,
                rows: memory + rowPart,
                into: memory + inputPart
            )
            for panel in panels {
                let weights: UnsafeMutablePointer<Float>
                if let transformed {
                    weights =
                        transformed.pointer + 16 * (panel * weight.inputChannels + channels.lowerBound) * width
                } else {
                    weights = memory + weightPart
                    transformWeights(panel, depths, channels, into: weights)
                }
                let products = memory + productPart + (panel - panels.lowerBound) * 16 * position
                for index in 0..<16 {
                    Kernels.active.multiply_panels(
                        memory + inputPart + index * place.count * channels.count,
                        panelTiles,
                        panelTiles * channels.count,
                        panelTiles,
                        weights + index * channels.count * width,
                        width,
                        channels.count,
                        products + index * position,
                        width,
                        place.count,
                        width,
                        step > 0
                    )
                }
            }
        }
        for panel in panels {
            transformOutput(
                place,
                panel,
                products: memory + productPart + (panel - panels.lowerBound) * 16 * position
            )
        }
    }

    /// [position][panel of tiles][channel][tile].
    private func transformInput(
        _ place: Place,
        _ channels: Range<Int>,
        window memory: UnsafeMutablePointer<Float>,
        rows: UnsafeMutablePointer<Float>,
        into transformed: UnsafeMutablePointer<Float>
    ) {
        let rowStride = panelTiles * channels.count
        let top = firstLine + 2 * place.lines.lowerBound - weight.padding
        let left = 2 * place.columns.lowerBound - weight.padding
        var pixels = [UnsafePointer<Float>?](repeating: nil, count: 16)
        var panel = transformed
        for image in place.images {
            let window = input.window(
                image: image,
                lines: top..<top + 2 * place.lines.count + 2,
                columns: left..<left + 2 * place.columns.count + 2,
                channels: channels,
                memory: memory
            )
            for (line, first) in product(0..<place.lines.count, 0..<place.panelsPerLine) {
                let tiles = min(panelTiles, place.columns.count - first * panelTiles)
                for tile in 0..<tiles {
                    let (y, x) = (top + 2 * line, left + 2 * (first * panelTiles + tile))
                    for index in 0..<16 { pixels[index] = window(y + index / 4, x + index % 4) }
                    Kernels.active.winograd_input(pixels, channels.count, rows + tile * channels.count, rowStride)
                }
                for index in 0..<16 {
                    packRows(
                        (0..<panelTiles).map { tile in
                            tile < tiles
                                ? UnsafeRawPointer(rows + index * rowStride + tile * channels.count) : nil
                        },
                        depth: channels.count,
                        into: panel + index * place.count * channels.count,
                        stride: panelTiles
                    )
                }
                panel += panelTiles * channels.count
            }
        }
    }

    private func transformOutput(_ place: Place, _ panel: Int, products: UnsafePointer<Float>) {
        let (height, width) = (target.shape[1], target.shape[2])
        let channel = panel * Blocking.tileColumns
        let channels = min(Blocking.tileColumns, weight.outputChannels - channel)
        var pixels = [UnsafeMutablePointer<Float>?](repeating: nil, count: 4)
        var lineProducts = products
        for (image, line) in product(place.images, place.lines) {
            for column in place.columns {
                for index in 0..<4 {
                    let (y, x) = (2 * line + index / 2, 2 * column + index % 2)
                    pixels[index] =
                        y < height && x < width
                        ? target.pointer + ((image * height + y) * width + x) * weight.outputChannels + channel
                        : nil
                }
                Kernels.active.winograd_output(
                    lineProducts + (column - place.columns.lowerBound) * Blocking.tileColumns,
                    place.count * Blocking.tileColumns,
                    channels,
                    pixels
                )
            }
            lineProducts += place.panelsPerLine * panelTiles * Blocking.tileColumns
            for y in 2 * line..<min(2 * line + 2, height) {
                let first = 2 * place.columns.lowerBound
                finish.apply(
                    to: target.pointer,
                    offset: ((image * height + y) * width + first) * weight.outputChannels + channel,
                    width: weight.outputChannels,
                    rows: min(2 * place.columns.upperBound, width) - first,
                    columns: channels
                )
            }
        }
    }
}
