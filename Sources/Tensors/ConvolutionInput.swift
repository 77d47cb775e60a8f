/// What a convolution reads: an image, normalised or enlarged on the way.
struct ConvolutionInput {
    let source: Tensor
    let normalization: GroupNormalization?
    /// Every pixel counts twice in both directions.
    let isUpsampled: Bool

    var height: Int { isUpsampled ? 2 * source.shape[1] : source.shape[1] }
    var width: Int { isUpsampled ? 2 * source.shape[2] : source.shape[2] }
    var channels: Int { source.shape[3] }

    private var shift: Int { isUpsampled ? 1 : 0 }

    /// Floats that `window` may need.
    func windowSize(lines: Int, columns: Int, channels: Int) -> Int {
        normalization == nil ? 0 : ((lines >> shift) + 2) * ((columns >> shift) + 2) * channels
    }

    /// Some channels of a part of one image, which may reach beyond its edges. Normalised pixels are kept in `memory`.
    func window(
        image: Int,
        lines: Range<Int>,
        columns: Range<Int>,
        channels: Range<Int>,
        memory: UnsafeMutablePointer<Float>
    ) -> Window {
        let (imageLines, imageColumns) = (lines.clamped(to: 0..<height), columns.clamped(to: 0..<width))
        var window = Window(
            lines: imageLines,
            columns: imageColumns,
            shift: shift,
            origin: source.pointer + image * source.leadingStride + channels.lowerBound,
            lineStride: source.shape[2] * self.channels,
            pixelStride: self.channels
        )
        guard let normalization, !imageLines.isEmpty, !imageColumns.isEmpty else { return window }
        let rows = imageLines.lowerBound >> shift...(imageLines.upperBound - 1) >> shift
        let pixels = imageColumns.lowerBound >> shift...(imageColumns.upperBound - 1) >> shift
        for row in rows {
            normalization.apply(
                to: window.origin + row * window.lineStride + pixels.lowerBound * window.pixelStride,
                stride: window.pixelStride,
                item: image,
                channel: channels.lowerBound,
                into: memory + (row - rows.lowerBound) * pixels.count * channels.count,
                targetStride: channels.count,
                positions: pixels.count,
                channels: channels.count
            )
        }
        window.lineStride = pixels.count * channels.count
        window.pixelStride = channels.count
        window.origin = UnsafePointer(memory) - rows.lowerBound * window.lineStride - pixels.lowerBound * channels.count
        return window
    }

    /// Pixels by their place in the image; nil beyond its edges.
    struct Window {
        let lines: Range<Int>
        let columns: Range<Int>
        let shift: Int
        /// Where line 0 and column 0 lie or would lie.
        var origin: UnsafePointer<Float>
        var lineStride: Int
        var pixelStride: Int

        func callAsFunction(_ line: Int, _ column: Int) -> UnsafePointer<Float>? {
            guard lines ~= line, columns ~= column else { return nil }
            return origin + (line >> shift) * lineStride + (column >> shift) * pixelStride
        }
    }
}
