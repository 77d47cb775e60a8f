import Foundation
import Images
import Testing

struct PNGDecoderTests {
    struct Kind: Sendable, CustomTestStringConvertible {
        let color: PNGForge.Color
        let depth: Int
        let isInterlaced: Bool

        static let all = PNGForge.Color.allCases.flatMap { color in
            color.depths.flatMap { depth in
                [false, true].map { Kind(color: color, depth: depth, isInterlaced: $0) }
            }
        }

        var testDescription: String { "\(color) \(depth)\(isInterlaced ? " interlaced" : "")" }
    }

    private let limits = GoldenDecodeTests.roomy
    private let ground = RGBColor(red: 200, green: 10, blue: 90)
    private let palette: [UInt8] = (0..<256).flatMap { (index: Int) -> [UInt8] in
        [UInt8(index), UInt8(255 - index), UInt8(index * 7 % 256)]
    }

    /// Different samples everywhere; sides that no pass of an interlaced file divides.
    private func forge(_ kind: Kind, width: UInt32 = 13, height: UInt32 = 11) -> PNGForge {
        let range = UInt32(1) << kind.depth
        let count = width * height * UInt32(kind.color.channels)
        let samples = (0..<count).map { (index: UInt32) -> UInt16 in UInt16(index * 40503 / 7 % range) }
        return PNGForge(
            width: width,
            height: height,
            depth: kind.depth,
            color: kind.color,
            isInterlaced: kind.isInterlaced,
            samples: samples,
            palette: kind.color == .indexed ? Array(palette.prefix(Int(range) * 3)) : []
        )
    }

    /// A sample as 8 bits, in floating point.
    private func level(_ sample: UInt16, _ depth: Int) -> UInt8 {
        depth == 16 ? UInt8(sample >> 8) : UInt8(Double(sample) * 255 / Double(1 << depth - 1))
    }

    private func blend(_ color: [UInt8], alpha: UInt8) -> [UInt8] {
        let share = Double(alpha) / 255
        return zip(color, [ground.red, ground.green, ground.blue]).map { (color: UInt8, ground: UInt8) -> UInt8 in
            UInt8((Double(color) * share + Double(ground) * (1 - share)).rounded())
        }
    }

    @Test(arguments: Kind.all)
    func decode_readsEveryKind(kind: Kind) throws {
        let forge = forge(kind)
        let expected: [UInt8] = (0..<(13 * 11)).flatMap { pixel -> [UInt8] in
            let samples = forge.samples[(pixel * kind.color.channels)..<((pixel + 1) * kind.color.channels)]
            switch kind.color {
            case .gray, .grayAlpha:
                return Array(repeating: level(samples[samples.startIndex], kind.depth), count: 3)
            case .indexed:
                let index = Int(samples[samples.startIndex])
                return Array(palette[(index * 3)..<(index * 3 + 3)])
            case .rgb, .rgba:
                return samples.prefix(3).map { level($0, kind.depth) }
            }
        }
        let image = try ImageDecoder.decode(forge.file(), limits: limits)
        #expect(image == PixelImage(width: 13, height: 11, pixels: expected))
    }

    @Test(arguments: Kind.all.filter { [.grayAlpha, .rgba].contains($0.color) })
    func decode_laysAlphaOnGround(kind: Kind) throws {
        let forge = forge(kind)
        let expected: [UInt8] = (0..<(13 * 11)).flatMap { pixel -> [UInt8] in
            let start = pixel * kind.color.channels
            let levels = forge.samples[start..<(start + kind.color.channels)].map { level($0, kind.depth) }
            let color = kind.color == .rgba ? Array(levels.prefix(3)) : Array(repeating: levels[0], count: 3)
            return blend(color, alpha: levels[kind.color.channels - 1])
        }
        let image = try ImageDecoder.decode(forge.file(), limits: limits, ground: ground)
        #expect(image.pixels == expected)
    }

    @Test
    func decode_laysPaletteAlphaOnGround() throws {
        var forge = PNGForge(width: 4, height: 1, depth: 2, color: .indexed, samples: [0, 1, 2, 3])
        forge.palette = Array(palette.suffix(12))
        forge.transparency = [0, 128, 255]
        let colors = stride(from: 0, to: 12, by: 3).map { Array(forge.palette[$0..<($0 + 3)]) }
        let expected = zip(colors, [0, 128, 255, 255] as [UInt8]).flatMap { blend($0, alpha: $1) }
        #expect(try ImageDecoder.decode(forge.file(), limits: limits, ground: ground).pixels == expected)
        #expect(try ImageDecoder.decode(forge.file(), limits: limits).pixels == forge.palette)
    }

    @Test
    func decode_laysTransparentColorOnGround() throws {
        var gray = PNGForge(width: 3, height: 1, depth: 4, color: .gray, samples: [3, 4, 15])
        gray.transparency = [0, 4]
        #expect(
            try ImageDecoder.decode(gray.file(), limits: limits, ground: ground).pixels
                == [51, 51, 51, 200, 10, 90, 255, 255, 255]
        )
        var rgb = PNGForge(width: 2, height: 1, depth: 8, color: .rgb, samples: [1, 2, 3, 1, 2, 4])
        rgb.transparency = [0, 1, 0, 2, 0, 3]
        #expect(try ImageDecoder.decode(rgb.file(), limits: limits, ground: ground).pixels == [200, 10, 90, 1, 2, 4])
        #expect(try ImageDecoder.decode(rgb.file(), limits: limits).pixels == [1, 2, 3, 1, 2, 4])
    }

    @Test
    func decode_keepsHighByteOfDeepGray() throws {
        let file = try GoldenImages.shared.file("gray16.png")
        let image = try ImageDecoder.decode(file, limits: limits)
        // Pillow's clipped version is what it would be without the shift: 255 wherever a sample has a high byte.
        let clipped = try GoldenImages.shared.expected("decode.gray16.png").bytes
        #expect(zip(image.pixels, clipped).allSatisfy { $0 == 0 || $1 == 255 })
        #expect(Set(image.pixels).count > 50)
    }

    @Test
    func decode_refusesPaletteIndexOutOfRange() {
        var forge = PNGForge(width: 3, height: 2, depth: 8, color: .indexed, samples: [0, 1, 0, 1, 2, 0])
        forge.palette = [1, 2, 3, 4, 5, 6]
        #expect(
            throws: ImageError.malformed(.png, at: "row 1 column 1", reason: "palette index 2 of 2 entries")
        ) {
            try ImageDecoder.decode(forge.file(), limits: limits)
        }
    }

    @Test
    func decode_refusesMissingPalette() {
        let forge = PNGForge(width: 1, height: 1, depth: 8, color: .indexed, samples: [0])
        #expect { try ImageDecoder.decode(forge.file(), limits: limits) } throws: { isMalformed($0, at: "the palette") }
    }

    @Test(arguments: [(0, 1), (1, 0), (0, 0), (0x8000_0000, 1)] as [(UInt32, UInt32)])
    func decode_refusesImpossibleSides(width: UInt32, height: UInt32) {
        let forge = PNGForge(width: width, height: height, depth: 8, color: .gray, samples: [], imageData: [])
        #expect { try ImageDecoder.decode(forge.file(), limits: limits) } throws: { isMalformed($0, at: "the header") }
    }

    @Test
    func decode_refusesHugeSidesFromHeader() {
        let side = UInt32(Int32.max)
        let forge = PNGForge(width: side, height: side, depth: 8, color: .gray, samples: [], imageData: [])
        #expect(
            throws: ImageError.tooManyPixels(.png, width: Int(side), height: Int(side), limit: limits.maxPixels)
        ) {
            try ImageDecoder.decode(forge.file(), limits: limits)
        }
    }

    @Test
    func decode_refusesHugeRows() {
        let forge = PNGForge(width: 1 << 16, height: 1, depth: 1, color: .gray, samples: [], imageData: [])
        #expect(throws: ImageError.sideTooLong(.png, width: 65536, height: 1, limit: 65535)) {
            try ImageDecoder.decode(forge.file(), limits: limits)
        }
    }

    @Test
    func decode_refusesBrokenZlibStream() {
        var forge = forge(Kind(color: .rgb, depth: 8, isInterlaced: false))
        let sound = PNGForge.stored(forge.scanlines())
        forge.imageData = [0xFF] + sound.dropFirst()
        #expect { try ImageDecoder.decode(forge.file(), limits: limits) } throws: { isMalformed($0) }
        // A stream that ends before the rows do, in chunks that are all intact.
        forge.imageData = PNGForge.stored(Array(forge.scanlines().prefix(100)))
        #expect { try ImageDecoder.decode(forge.file(), limits: limits) } throws: { isMalformed($0, at: "row 2") }
        // A wrong check sum at the end of the stream.
        forge.imageData = sound.dropLast() + [sound[sound.count - 1] ^ 1]
        #expect { try ImageDecoder.decode(forge.file(), limits: limits) } throws: { isMalformed($0) }
    }

    @Test
    func decode_refusesUnknownFilter() {
        var forge = forge(Kind(color: .gray, depth: 8, isInterlaced: false))
        var scanlines = forge.scanlines()
        scanlines[14] = 9
        forge.imageData = PNGForge.stored(scanlines)
        #expect { try ImageDecoder.decode(forge.file(), limits: limits) } throws: { isMalformed($0) }
    }

    @Test
    func decode_ignoresDamagedEXIF() throws {
        var forge = forge(Kind(color: .gray, depth: 8, isInterlaced: false))
        let plain = try ImageDecoder.decode(forge.file(), limits: limits)
        forge.exif = Array("MM\u{0}\u{2A}".utf8) + [0xFF, 0xFF, 0xFF, 0xFF]
        #expect(try ImageDecoder.decode(forge.file(), limits: limits) == plain)
    }

    private func isMalformed(_ error: any Error, at place: String? = nil) -> Bool {
        guard case .malformed(.png, at: let actual, _) = error as? ImageError else { return false }
        return place == nil || place == actual
    }
}
