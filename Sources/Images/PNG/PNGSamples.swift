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
    /// The samples of one scanline, as deep as they are.
    private var samples: [UInt16]

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
        samples = Array(repeating: 0, count: width * channels)
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
    mutating func write(
        _ scanline: UnsafeBufferPointer<UInt8>,
        to pixels: inout [UInt8],
        at placement: PNGPlacement
    ) throws(ImageError) {
        var to = (placement.row * width + placement.firstColumn) * 3
        if kind == SPNG_COLOR_TYPE_TRUECOLOR, depth == 8, key == nil, placement.columnStep == 1 {
            pixels.replaceSubrange(to..<(to + placement.count * 3), with: scanline[..<(placement.count * 3)])
            return
        }
        unpack(scanline, count: placement.count * channels)
        for index in 0..<placement.count {
            guard let color = color(at: index * channels) else {
                throw .malformed(
                    .png,
                    at: "row \(placement.row) column \(placement.firstColumn + index * placement.columnStep)",
                    reason: "palette index \(samples[index]) of \(palette.count) entries"
                )
            }
            pixels[to] = color.red
            pixels[to + 1] = color.green
            pixels[to + 2] = color.blue
            to += placement.columnStep * 3
        }
    }

    private mutating func unpack(_ scanline: UnsafeBufferPointer<UInt8>, count: Int) {
        switch depth {
        case 16:
            for index in 0..<count {
                samples[index] = UInt16(scanline[index * 2]) << 8 | UInt16(scanline[index * 2 + 1])
            }
        case 8:
            for index in 0..<count {
                samples[index] = UInt16(scanline[index])
            }
        default:
            // 1, 2 or 4 bits, leftmost pixel in the high bits.
            let mask = UInt8(1 << depth - 1)
            for index in 0..<count {
                let bit = index * depth
                samples[index] = UInt16(scanline[bit >> 3] >> UInt8(8 - depth - bit & 7) & mask)
            }
        }
    }

    /// The colour of the pixel whose samples start at `start`; `nil` if the palette has none for it.
    @inline(__always)
    private func color(at start: Int) -> RGBColor? {
        switch kind {
        case SPNG_COLOR_TYPE_INDEXED:
            let index = Int(samples[start])
            return index < palette.count ? palette[index] : nil
        case SPNG_COLOR_TYPE_GRAYSCALE, SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
            let gray = level(samples[start])
            let color = RGBColor(red: gray, green: gray, blue: gray)
            return flattened(color, start: start, colorChannels: 1)
        default:
            let color = RGBColor(
                red: level(samples[start]),
                green: level(samples[start + 1]),
                blue: level(samples[start + 2])
            )
            return flattened(color, start: start, colorChannels: 3)
        }
    }

    @inline(__always)
    private func flattened(_ color: RGBColor, start: Int, colorChannels: Int) -> RGBColor {
        guard let ground else { return color }
        if channels > colorChannels {
            return ground.beneath(color, alpha: level(samples[start + colorChannels]))
        }
        if let key, samples[start..<(start + colorChannels)].elementsEqual(key) {
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
