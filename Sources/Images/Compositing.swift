/// `a * b / 255`, rounded to the nearest, as Pillow's `MULDIV255`.
@inline(__always)
func scaled(_ a: UInt8, by b: UInt8) -> UInt8 {
    let product = UInt32(a) * UInt32(b) + 128
    return UInt8(truncatingIfNeeded: ((product >> 8) + product) >> 8)
}

extension RGBColor {
    /// `color` laid over this ground, as Pillow's `paste` with a mask blends it.
    @inline(__always)
    func beneath(_ color: RGBColor, alpha: UInt8) -> RGBColor {
        RGBColor(
            red: Self.blend(red, color.red, alpha),
            green: Self.blend(green, color.green, alpha),
            blue: Self.blend(blue, color.blue, alpha)
        )
    }

    @inline(__always)
    private static func blend(_ ground: UInt8, _ color: UInt8, _ alpha: UInt8) -> UInt8 {
        let sum = UInt32(ground) * UInt32(255 - alpha) + UInt32(color) * UInt32(alpha) + 128
        return UInt8(truncatingIfNeeded: ((sum >> 8) + sum) >> 8)
    }
}
