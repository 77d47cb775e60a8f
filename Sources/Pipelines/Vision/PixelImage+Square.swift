import Images

extension PixelImage {
    /// Equal in every byte to `paddedToSquare` with `resized` behind it, but the square is never whole in memory: that of
    /// a strip of 60,000 × 1 pixels would take 10 GB.
    func resizedOnSquare(side: Int, filter: ResizeFilter, color: RGBColor) -> PixelImage {
        let square = max(width, height)
        let (left, top) = ((square - width) / 2, (square - height) / 2)
        // Rows are filtered first, some megabytes at a time; borders above and below are of one colour before and after.
        let bandHeight = max(1, (1 << 20) / square)
        var rows: [UInt8] = []
        rows.reserveCapacity(3 * side * height)
        for start in stride(from: 0, to: height, by: bandHeight) {
            let count = min(bandHeight, height - start)
            rows +=
                cropped(x: 0, y: start, width: width, height: count)
                .padded(left: left, right: square - width - left, color: color)
                .resized(width: side, height: count, filter: filter)
                .pixels
        }
        return PixelImage(width: side, height: height, pixels: rows)
            .padded(top: top, bottom: square - height - top, color: color)
            .resized(width: side, height: side, filter: filter)
    }
}
