import Foundation
import Images
import Testing

struct WebPDecoderTests {
    private let limits = GoldenDecodeTests.roomy
    private let picture = PixelImage(width: 6, height: 4, color: RGBColor(red: 30, green: 160, blue: 220))

    private func three(_ value: Int) -> [UInt8] { [0, 8, 16].map { UInt8(value >> $0 & 0xFF) } }

    private func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
        Array(name.utf8) + three(content.count) + [0] + content + (content.count % 2 == 1 ? [0] : [])
    }

    /// An extended file on a canvas of the given size.
    private func file(width: Int, height: Int, flags: UInt8, chunks: [UInt8]) -> [UInt8] {
        let header = chunk("VP8X", [flags, 0, 0, 0] + three(width - 1) + three(height - 1))
        let body = Array("WEBP".utf8) + header + chunks
        return Array("RIFF".utf8) + three(body.count) + [0] + body
    }

    /// An animation of one frame.
    private func animation(x: Int, y: Int, canvas: Int) throws -> [UInt8] {
        let stream = try picture.encoded(as: .webp).dropFirst(12)
        let place = three(x / 2) + three(y / 2) + three(picture.width - 1) + three(picture.height - 1)
        let frame = chunk("ANMF", place + three(100) + [0] + stream)
        let chunks = chunk("ANIM", [255, 255, 255, 255, 0, 0]) + frame
        return file(width: canvas, height: canvas, flags: 0x02, chunks: chunks)
    }

    @Test
    func decode_takesTheFirstFrameOfAnAnimation() throws {
        let alone = try ImageDecoder.decode(picture.encoded(as: .webp), limits: limits)
        let image = try ImageDecoder.decode(animation(x: 2, y: 4, canvas: 10), limits: limits)
        #expect(image == alone.padded(left: 2, top: 4, right: 2, bottom: 2))
    }

    @Test
    func decode_refusesFrameOutsideCanvas() throws {
        let file = try animation(x: 6, y: 0, canvas: 10)
        #expect { try ImageDecoder.decode(file, limits: limits) } throws: { error in
            guard case .malformed(.webp, _, _) = error as? ImageError else { return false }
            return true
        }
    }

    @Test
    func decode_refusesHugeCanvasFromHeader() throws {
        let stream = Array(try picture.encoded(as: .webp).dropFirst(12))
        let frame = chunk("ANMF", [0, 0, 0, 0, 0, 0] + three(5) + three(3) + three(100) + [0] + stream)
        let chunks = chunk("ANIM", [0, 0, 0, 0, 0, 0]) + frame
        let file = file(width: 16384, height: 16384, flags: 0x02, chunks: chunks)
        #expect(throws: ImageError.tooManyPixels(.webp, width: 16384, height: 16384, limit: limits.maxPixels)) {
            try ImageDecoder.decode(file, limits: limits)
        }
    }

    @Test(arguments: [[], Array("Exif\0\0".utf8)] as [[UInt8]])
    func decode_appliesOrientation(mark: [UInt8]) throws {
        let stream = Array(try picture.encoded(as: .webp).dropFirst(12))
        let exif: [UInt8] =
            [0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]
        let file = file(width: 6, height: 4, flags: 0x08, chunks: stream + chunk("EXIF", mark + exif))
        let image = try ImageDecoder.decode(file, limits: limits)
        #expect(image.width == 4 && image.height == 6)
        #expect(try ImageDecoder.decode(file, limits: limits, applyOrientation: false).width == 6)
    }

    @Test
    func decode_laysAlphaOnGround() throws {
        let file = try GoldenImages.shared.file("rgba.webp")
        let dropped = try ImageDecoder.decode(file, limits: limits)
        let onBlack = try ImageDecoder.decode(file, limits: limits, ground: .black)
        let onWhite = try ImageDecoder.decode(file, limits: limits, ground: .white)
        #expect(onBlack != dropped)
        // What the ground adds is the same in all channels: 255 less alpha.
        let added = zip(onWhite.pixels, onBlack.pixels).map { Int($0) - Int($1) }
        #expect(stride(from: 0, to: added.count, by: 3).allSatisfy { abs(added[$0] - added[$0 + 1]) <= 1 })
        #expect((added.max() ?? 0) > (added.min() ?? 0))
    }
}
