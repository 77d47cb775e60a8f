extension PixelImage {
    /// The rectangle of the given size whose top left pixel is (x, y); it lies inside the picture.
    package func cropped(x: Int, y: Int, width: Int, height: Int) -> PixelImage {
        precondition(
            x >= 0 && y >= 0 && width > 0 && height > 0 && x <= self.width - width && y <= self.height - height,
            "crop \(width)x\(height) at (\(x), \(y)) leaves the picture of \(self.width)x\(self.height)"
        )
        var crop: [UInt8] = []
        crop.reserveCapacity(width * height * 3)
        for row in y..<(y + height) {
            let start = (row * self.width + x) * 3
            crop.append(contentsOf: pixels[start..<(start + width * 3)])
        }
        return PixelImage(width: width, height: height, pixels: crop)
    }

    /// The picture with borders of the given widths in one colour.
    package func padded(
        left: Int = 0,
        top: Int = 0,
        right: Int = 0,
        bottom: Int = 0,
        color: RGBColor = .black
    ) -> PixelImage {
        precondition(min(left, top, right, bottom) >= 0, "a border of negative width")
        var framed = PixelImage(width: left + width + right, height: top + height + bottom, color: color)
        framed.paste(self, x: left, y: top)
        return framed
    }

    /// The picture in the middle of a square as long as its longer side; an odd remainder goes right or below.
    package func paddedToSquare(color: RGBColor) -> PixelImage {
        let side = max(width, height)
        let left = (side - width) / 2
        let top = (side - height) / 2
        return padded(
            left: left,
            top: top,
            right: side - width - left,
            bottom: side - height - top,
            color: color
        )
    }

    /// Lays `image` into this picture with its top left pixel at (x, y); it fits.
    private mutating func paste(_ image: PixelImage, x: Int, y: Int) {
        let rowBytes = image.width * 3
        let rowStep = width * 3
        let first = (y * width + x) * 3
        pixels.withUnsafeMutableBytes { target in
            image.pixels.withUnsafeBytes { source in
                for row in 0..<image.height {
                    let line = UnsafeRawBufferPointer(rebasing: source[(row * rowBytes)..<((row + 1) * rowBytes)])
                    let start = first + row * rowStep
                    UnsafeMutableRawBufferPointer(rebasing: target[start..<(start + rowBytes)]).copyMemory(from: line)
                }
            }
        }
    }
}
