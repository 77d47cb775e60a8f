import CSPNG

/// Where the pixels of one scanline belong in the picture.
struct PNGPlacement {
    let row: Int
    let firstColumn: Int
    let columnStep: Int
    /// Pixels in the scanline.
    let count: Int
}

/// Turns the samples of scanlines into RGB.
struct PNGSamples {
    private let kind: spng_color_type
    private let depth: Int
    private let width: Int
    private let channels: Int
    /// Already laid on the ground, where there is one.
    private let palette: [RGBColor]
    /// What to lay transparent pixels on; `nil` leaves alpha out of account.
    private let ground: RGBColor?
    /// The samples of the one colour that is transparent in a picture without alpha channel.
    private let key: [UInt16]?

    init(header: spng_ihdr, palette: [RGBColor], transparency: spng_trns?, ground: RGBColor?) {
        kind = spng_color_type(rawValue: UInt32(header.color_type))
        depth = Int(header.bit_depth)
        width = Int(header.width)
        channels =
            switch kind {
            case SPNG_COLOR_TYPE_TRUECOLOR: 3
            case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA: 2
            case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA: 4
            default: 1
            }
        self.ground = ground
        self.palette = Self.flattened(palette, transparency: transparency, on: ground)
        key =
            switch kind {
            case SPNG_COLOR_TYPE_GRAYSCALE: transparency.map { [$0.gray] }
            case SPNG_COLOR_TYPE_TRUECOLOR: transparency.map { [$0.red, $0.green, $0.blue] }
            default: nil
            }
    }

    private static func flattened(
        _ palette: [RGBColor],
        transparency: spng_trns?,
        on ground: RGBColor?
    ) -> [RGBColor] {
        guard let ground, let transparency else { return palette }
        return withUnsafeBytes(of: transparency.type3_alpha) { alpha in
            // Entries beyond the chunk are opaque.
            let covered = min(Int(transparency.n_type3_entries), palette.count)
            let laid = palette[..<covered].indices.map { ground.beneath(palette[$0], alpha: alpha[$0]) }
            return laid + palette[covered...]
        }
    }

    /// Writes the pixels of one scanline into the picture.
    ///
    /// - Parameters:
    ///   - scanline: packed as in the file; holds at least `placement.count` pixels
    ///   - pixels: `[height, width, 3]`
    func write(
        _ scanline: UnsafeBufferPointer<UInt8>,
        to pixels: inout [UInt8],
        at placement: PNGPlacement
    ) throws(ImageError) {
        var to = (placement.row * width + placement.firstColumn) * 3
        if kind == SPNG_COLOR_TYPE_TRUECOLOR, depth == 8, key == nil, placement.columnStep == 1 {
            pixels.replaceSubrange(to..<(to + placement.count * 3), with: scanline[..<(placement.count * 3)])
            return
        }
        for index in 0..<placement.count {
            guard let color = color(at: index * channels, of: scanline) else {
                throw .malformed(
                    .png,
                    at: "row \(placement.row) column \(placement.firstColumn + index * placement.columnStep)",
                    reason: "palette index \(sample(index, of: scanline)) of \(palette.count) entries"
                )
            }
            pixels[to] = color.red
            pixels[to + 1] = color.green
            pixels[to + 2] = color.blue
            to += placement.columnStep * 3
        }
    }

    /// One sample, as deep as it is.
    @inline(__always)
    private func sample(_ index: Int, of scanline: UnsafeBufferPointer<UInt8>) -> UInt16 {
        switch depth {
        case 16:
            return UInt16(scanline[index * 2]) << 8 | UInt16(scanline[index * 2 + 1])
        case 8:
            return UInt16(scanline[index])
        default:
            // 1, 2 or 4 bits, leftmost pixel in the high bits.
            let bit = index * depth
            return UInt16(scanline[bit >> 3] >> (8 - depth - bit & 7)) & (1 << depth - 1)
        }
    }

    /// The colour of the pixel whose samples start at `start`; `nil` if the palette has none for it.
    @inline(__always)
    private func color(at start: Int, of scanline: UnsafeBufferPointer<UInt8>) -> RGBColor? {
        let first = sample(start, of: scanline)
        switch kind {
        case SPNG_COLOR_TYPE_INDEXED:
            return Int(first) < palette.count ? palette[Int(first)] : nil
        case SPNG_COLOR_TYPE_GRAYSCALE, SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
            let gray = level(first)
            return flattened(RGBColor(red: gray, green: gray, blue: gray), start: start, of: scanline)
        default:
            let color = RGBColor(
                red: level(first),
                green: level(sample(start + 1, of: scanline)),
                blue: level(sample(start + 2, of: scanline))
            )
            return flattened(color, start: start, of: scanline)
        }
    }

    @inline(__always)
    private func flattened(_ color: RGBColor, start: Int, of scanline: UnsafeBufferPointer<UInt8>) -> RGBColor {
        guard let ground else { return color }
        if kind == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA || kind == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA {
            return ground.beneath(color, alpha: level(sample(start + channels - 1, of: scanline)))
        }
        if let key, key.indices.allSatisfy({ sample(start + $0, of: scanline) == key[$0] }) {
            return ground
        }
        return color
    }

    /// A sample as 8 bits: shallow ones are stretched, deep ones keep their high byte.
    @inline(__always)
    private func level(_ sample: UInt16) -> UInt8 {
        switch depth {
        case 16: UInt8(sample >> 8)
        case 8: UInt8(truncatingIfNeeded: sample)
        default: UInt8(truncatingIfNeeded: Int(sample) * (255 / (1 << depth - 1)))
        }
    }
}
