/// How a picture is to be turned before it is looked at: the values of the EXIF orientation tag.
package enum Orientation: UInt16, Sendable, CaseIterable {
    case upright = 1
    case mirrored
    case upsideDown
    case mirroredUpsideDown
    /// Rows become columns.
    case transposed
    case turnedRight
    /// Mirrored along the other diagonal.
    case transverse
    case turnedLeft
}

extension PixelImage {
    /// The picture turned and mirrored so that it is upright.
    package func oriented(_ orientation: Orientation) -> PixelImage {
        // Where output pixel (0, 0) comes from, and the steps through the source for one output column and one row.
        let right = width - 1
        let bottom = height - 1
        let (start, column, row, swapsSides): (Int, Int, Int, Bool) =
            switch orientation {
            case .upright: (0, 1, width, false)
            case .mirrored: (right, -1, width, false)
            case .upsideDown: (bottom * width + right, -1, -width, false)
            case .mirroredUpsideDown: (bottom * width, 1, -width, false)
            case .transposed: (0, width, 1, true)
            case .turnedRight: (bottom * width, -width, 1, true)
            case .transverse: (bottom * width + right, -width, -1, true)
            case .turnedLeft: (right, width, -1, true)
            }
        guard orientation != .upright else { return self }
        let (newWidth, newHeight) = swapsSides ? (height, width) : (width, height)
        let turned = [UInt8](unsafeUninitializedCapacity: pixels.count) { output, count in
            pixels.withUnsafeBufferPointer { input in
                var to = 0
                for y in 0..<newHeight {
                    var from = (start + y * row) * 3
                    for _ in 0..<newWidth {
                        output[to] = input[from]
                        output[to + 1] = input[from + 1]
                        output[to + 2] = input[from + 2]
                        to += 3
                        from += column * 3
                    }
                }
            }
            count = pixels.count
        }
        return PixelImage(width: newWidth, height: newHeight, pixels: turned)
    }
}
