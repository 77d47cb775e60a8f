extension PixelImage {
    /// The picture at another size, equal to Pillow's `Image.resize` in every byte.
    ///
    /// Rows first, then columns, each rounded to 8 bits; a side that stays as it is is not filtered. As in Pillow 13,
    /// columns come first where the height loses more than twice the pixels that the width loses.
    package func resized(width newWidth: Int, height newHeight: Int, filter: ResizeFilter) -> PixelImage {
        precondition(newWidth > 0 && newHeight > 0, "a picture of \(newWidth)x\(newHeight)")
        if filter == .nearest {
            return sampled(width: newWidth, height: newHeight)
        }
        let isHeightFirst = height - newHeight > max(0, 2 * (width - newWidth))
        return isHeightFirst
            ? withHeight(newHeight, filter).withWidth(newWidth, filter)
            : withWidth(newWidth, filter).withHeight(newHeight, filter)
    }

    private func withWidth(_ newWidth: Int, _ filter: ResizeFilter) -> PixelImage {
        newWidth == width ? self : filteredRows(ResizeWindows(from: width, to: newWidth, filter: filter))
    }

    private func withHeight(_ newHeight: Int, _ filter: ResizeFilter) -> PixelImage {
        newHeight == height ? self : filteredColumns(ResizeWindows(from: height, to: newHeight, filter: filter))
    }

    /// The source pixel under the centre of each destination pixel.
    private func sampled(width newWidth: Int, height newHeight: Int) -> PixelImage {
        let columns = Self.nearest(from: width, to: newWidth)
        let rows = Self.nearest(from: height, to: newHeight)
        var output: [UInt8] = []
        output.reserveCapacity(newWidth * newHeight * 3)
        for row in rows {
            for column in columns {
                let start = (row * width + column) * 3
                output.append(pixels[start])
                output.append(pixels[start + 1])
                output.append(pixels[start + 2])
            }
        }
        return PixelImage(width: newWidth, height: newHeight, pixels: output)
    }

    private static func nearest(from length: Int, to newLength: Int) -> [Int] {
        let step = Double(length) / Double(newLength)
        // Pillow adds step by step; a product would round differently at pixel borders.
        var center = step * 0.5
        return (0..<newLength).map { _ in
            defer { center += step }
            return min(Int(center), length - 1)
        }
    }

    /// Every row filtered to as many pixels as there are windows.
    private func filteredRows(_ windows: ResizeWindows) -> PixelImage {
        let newWidth = windows.starts.count
        let output = [UInt8](unsafeUninitializedCapacity: newWidth * height * 3) { output, count in
            pixels.withUnsafeBufferPointer { input in
                windows.weights.withUnsafeBufferPointer { weights in
                    var to = 0
                    for y in 0..<height {
                        for x in 0..<newWidth {
                            var from = (y * width + windows.starts[x]) * 3
                            let first = x * windows.stride
                            var red = Self.half
                            var green = Self.half
                            var blue = Self.half
                            for tap in first..<(first + windows.counts[x]) {
                                let weight = weights[tap]
                                red &+= Int32(input[from]) &* weight
                                green &+= Int32(input[from + 1]) &* weight
                                blue &+= Int32(input[from + 2]) &* weight
                                from += 3
                            }
                            output[to] = Self.rounded(red)
                            output[to + 1] = Self.rounded(green)
                            output[to + 2] = Self.rounded(blue)
                            to += 3
                        }
                    }
                }
            }
            count = newWidth * height * 3
        }
        return PixelImage(width: newWidth, height: height, pixels: output)
    }

    /// Every column filtered to as many pixels as there are windows.
    private func filteredColumns(_ windows: ResizeWindows) -> PixelImage {
        let newHeight = windows.starts.count
        let rowBytes = width * 3
        var sums = [Int32](repeating: 0, count: rowBytes)
        let output = [UInt8](unsafeUninitializedCapacity: rowBytes * newHeight) { output, count in
            pixels.withUnsafeBufferPointer { input in
                sums.withUnsafeMutableBufferPointer { sums in
                    for y in 0..<newHeight {
                        sums.update(repeating: Self.half)
                        for tap in 0..<windows.counts[y] {
                            let weight = windows.weights[y * windows.stride + tap]
                            let from = (windows.starts[y] + tap) * rowBytes
                            for index in 0..<rowBytes {
                                sums[index] &+= Int32(input[from + index]) &* weight
                            }
                        }
                        for index in 0..<rowBytes {
                            output[y * rowBytes + index] = Self.rounded(sums[index])
                        }
                    }
                }
            }
            count = rowBytes * newHeight
        }
        return PixelImage(width: width, height: newHeight, pixels: output)
    }

    /// Where sums start, so that the shift in ``rounded(_:)`` rounds to the nearest.
    private static let half: Int32 = 1 << (ResizeWindows.precision - 1)

    @inline(__always)
    private static func rounded(_ sum: Int32) -> UInt8 {
        UInt8(clamping: sum >> ResizeWindows.precision)
    }
}
