/// A colour of 8-bit red, green and blue.
package struct RGBColor: Sendable, Hashable {
    package var red: UInt8
    package var green: UInt8
    package var blue: UInt8

    package static let black = RGBColor(red: 0, green: 0, blue: 0)
    package static let white = RGBColor(red: 255, green: 255, blue: 255)

    package init(red: UInt8, green: UInt8, blue: UInt8) {
        self.red = red
        self.green = green
        self.blue = blue
    }
}

/// Interleaved 8-bit RGB picture, rows top to bottom.
///
/// Sides are positive and `pixels` always holds `height * width * 3` bytes.
package struct PixelImage: Sendable, Equatable {
    package let width: Int
    package let height: Int
    /// `[height, width, 3]`
    package var pixels: [UInt8] {
        didSet { precondition(pixels.count == width * height * 3, "pixels do not fill \(width)x\(height)") }
    }

    /// - Parameter pixels: `[height, width, 3]`
    package init(width: Int, height: Int, pixels: [UInt8]) {
        precondition(width > 0 && height > 0, "a picture of \(width)x\(height)")
        precondition(pixels.count == width * height * 3, "pixels do not fill \(width)x\(height)")
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// A picture of one colour.
    package init(width: Int, height: Int, color: RGBColor) {
        precondition(width > 0 && height > 0, "a picture of \(width)x\(height)")
        var pixels = [UInt8](repeating: color.red, count: width * height * 3)
        if color.green != color.red || color.blue != color.red {
            for start in stride(from: 0, to: pixels.count, by: 3) {
                pixels[start + 1] = color.green
                pixels[start + 2] = color.blue
            }
        }
        self.init(width: width, height: height, pixels: pixels)
    }

    /// The colour of one pixel.
    package subscript(x x: Int, y y: Int) -> RGBColor {
        let start = (y * width + x) * 3
        return RGBColor(red: pixels[start], green: pixels[start + 1], blue: pixels[start + 2])
    }
}
