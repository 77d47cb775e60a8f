import Tensors

/// Cuts a large picture's latents into overlapping tiles, so that memory stays that of one tile, and blends what comes
/// out of them.
///
/// Only convolutions and group norms run on tiles; attention has seen the whole picture before. Within an overlap the
/// weight of a tile is zero near its own edge, where the padding of its convolutions shows, and rises smoothly from there.
/// Group norms take a tile's own mean and variance: where a picture is very uneven, its tone differs a little from that
/// of the untiled one, as a slope over the overlap, never as an edge.
struct LatentTiling {
    /// Pixels a tile spans: 512, the size at which the autoencoders in use were trained.
    private static let tilePixels = 512
    /// Latent positions that two neighbours share: a margin at either edge that counts for nothing, and the blend.
    private static let overlap = 24
    private static let margin = 4

    private let downscaling: Int
    private let tile: Int

    init(downscaling: Int) {
        self.downscaling = downscaling
        tile = max(2 * Self.overlap, Self.tilePixels / downscaling)
    }

    /// Whether [batch, height, width, channels] needs tiles.
    func covers(_ shape: [Int]) -> Bool { shape[1] > tile || shape[2] > tile }

    /// [batch, height, width, channels] → [batch, height × downscaling, width × downscaling, channels of `decode`]
    func map(_ latents: Tensor, _ decode: (Tensor) -> Tensor) -> Tensor {
        let (batch, height, width) = (latents.shape[0], latents.shape[1], latents.shape[2])
        let rows = spans(height)
        let columns = spans(width)
        let (pixelHeight, pixelWidth) = (height * downscaling, width * downscaling)
        var sum: [Float] = []
        var channels = 0
        for row in rows {
            let rowWeights = weights(row, of: height)
            for column in columns {
                let columnWeights = weights(column, of: width)
                let tile = decode(latents.cropped(rows: row, columns: column))
                if sum.isEmpty {
                    channels = tile.shape[3]
                    sum = [Float](repeating: 0, count: batch * pixelHeight * pixelWidth * channels)
                }
                tile.withUnsafeBufferPointer { pixels in
                    var source = 0
                    for item in 0..<batch {
                        for (y, rowWeight) in rowWeights.enumerated() {
                            let line = (item * pixelHeight + row.lowerBound * downscaling + y) * pixelWidth
                            var target = (line + column.lowerBound * downscaling) * channels
                            for columnWeight in columnWeights {
                                for _ in 0..<channels {
                                    sum[target] += rowWeight * columnWeight * pixels[source]
                                    target += 1
                                    source += 1
                                }
                            }
                        }
                    }
                }
            }
        }
        return Tensor(sum, shape: [batch, pixelHeight, pixelWidth, channels])
    }

    /// Tiles of one length, spread evenly, that cover `length` and share at least the overlap.
    private func spans(_ length: Int) -> [Range<Int>] {
        guard length > tile else { return [0..<length] }
        let step = tile - Self.overlap
        let count = (length - Self.overlap + step - 1) / step
        return (0..<count).map { index in
            let start = index * (length - tile) / (count - 1)
            return start..<(start + tile)
        }
    }

    /// The weight of every pixel row (or column) of a tile; those of all tiles add up to one everywhere.
    private func weights(_ span: Range<Int>, of length: Int) -> [Float] {
        let spans = spans(length)
        return (span.lowerBound * downscaling..<span.upperBound * downscaling).map { pixel in
            let total = spans.reduce(Float(0)) { $0 + ramp(pixel, $1, length) }
            return ramp(pixel, span, length) / total
        }
    }

    /// 0 within the margin of an inner edge, 1 inside, a straight line over the rest of the smallest overlap.
    private func ramp(_ pixel: Int, _ span: Range<Int>, _ length: Int) -> Float {
        func rise(_ distance: Int) -> Float {
            let blend = (Self.overlap - 2 * Self.margin) * downscaling
            return min(1, max(0, (Float(distance - Self.margin * downscaling) + 0.5) / Float(blend)))
        }
        let left = span.lowerBound == 0 ? 1 : rise(pixel - span.lowerBound * downscaling)
        let right = span.upperBound == length ? 1 : rise(span.upperBound * downscaling - 1 - pixel)
        return min(left, right)
    }
}
