import CTriptychKernels

/// A 3×3 convolution of stride 1 by Winograd's minimal filtering F(2×2, 3×3) (Lavin and Gray, 2015): 2.25 times fewer
/// multiplications, at about three times the rounding error of the direct sum.
///
/// Output tiles of 2 × 2 pixels are taken in blocks. For some input channels at a time, the 4 × 4 pixels under every tile
/// are transformed and transposed into panels, the weights of one panel of output channels are transformed, and each of
/// the 16 positions is a matrix product. Nothing of it outlives the block: weights stay in memory only once.
struct WinogradConvolution {
    let source: Tensor
    let weight: ConvolutionWeight
    let finish: Finish
    let target: Tensor

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

    /// Whether the transforms pay for themselves; depends on the shape of one image only.
    static func suits(_ weight: ConvolutionWeight, height: Int, width: Int) -> Bool {
        weight.kernelHeight == 3 && weight.kernelWidth == 3 && weight.stride == 1 && weight.groups == 1
            && weight.inputChannels >= 32 && weight.outputChannels >= 32 && height * width >= 256
    }

    init(source: Tensor, weight: ConvolutionWeight, finish: Finish, target: Tensor) {
        self.source = source
        self.weight = weight
        self.finish = finish
        self.target = target
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
                scratch: scratch
            )
        }
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

    private func compute(_ place: Place, panels: Range<Int>, scratch: Scratch) {
        let kernels = Kernels.active
        let width = Blocking.tileColumns
        var room = ScratchLayout()
        let inputPart = room.reserve(16 * place.count * Self.channelsPerStep)
        let rowPart = room.reserve(16 * panelTiles * Self.channelsPerStep)
        let weightPart = room.reserve(16 * Self.channelsPerStep * width)
        let productPart = room.reserve(panels.count * 16 * place.count * width)
        let memory = scratch.floats(room.count)
        let position = place.count * width
        for block in 0..<weight.depths.count {
            let depths = weight.depths[block]
            let steps = Blocks(of: depths.count, atMost: Self.channelsPerStep)
            for step in 0..<steps.count {
                let channels = depths.lowerBound + steps[step].lowerBound..<depths.lowerBound + steps[step].upperBound
                transformInput(place, channels, through: memory + rowPart, into: memory + inputPart)
                for panel in panels {
                    let taps =
                        weight.panels.pointer + panel * weight.panelStride
                        + (depths.lowerBound * weight.taps + steps[step].lowerBound) * width
                    kernels.winograd_weights(taps, depths.count * width, channels.count, memory + weightPart)
                    let products = memory + productPart + (panel - panels.lowerBound) * 16 * position
                    for index in 0..<16 {
                        kernels.multiply_panels(
                            memory + inputPart + index * place.count * channels.count,
                            panelTiles,
                            panelTiles * channels.count,
                            panelTiles,
                            memory + weightPart + index * channels.count * width,
                            width,
                            channels.count,
                            products + index * position,
                            width,
                            place.count,
                            width,
                            block > 0 || step > 0
                        )
                    }
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
        through rows: UnsafeMutablePointer<Float>,
        into input: UnsafeMutablePointer<Float>
    ) {
        let (height, width, allChannels) = (source.shape[1], source.shape[2], source.shape[3])
        let rowStride = panelTiles * channels.count
        var pixels = [UnsafePointer<Float>?](repeating: nil, count: 16)
        var panel = input
        for (image, line) in product(place.images, place.lines) {
            for first in stride(from: place.columns.lowerBound, to: place.columns.upperBound, by: panelTiles) {
                let tiles = min(panelTiles, place.columns.upperBound - first)
                for tile in 0..<tiles {
                    for index in 0..<16 {
                        let y = 2 * line + index / 4 - weight.padding
                        let x = 2 * (first + tile) + index % 4 - weight.padding
                        pixels[index] =
                            0..<height ~= y && 0..<width ~= x
                            ? UnsafePointer(
                                source.pointer + ((image * height + y) * width + x) * allChannels
                                    + channels.lowerBound
                            )
                            : nil
                    }
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
