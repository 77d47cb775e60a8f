import Foundation
import Images
import Testing

/// Decoding against Pillow: exact for lossless files, close where decoders may differ.
struct GoldenDecodeTests {
    static let roomy = ImageLimits(maxPixels: 1 << 20, maxBytes: 1 << 20)

    /// GIF and BMP are not read. Pillow clips deep gray at 255, which turns most of a picture white: see
    /// ``PNGDecoderTests`` for what is done here.
    static let read = GoldenImages.shared.cases.decode.filter {
        !["anim.gif", "bmp.bmp", "gray16.png"].contains($0.file)
    }

    @Test(arguments: read)
    func decode_equalsPillow(golden: GoldenImages.Cases.Decode) throws {
        let file = try GoldenImages.shared.file(golden.file)
        let image = try ImageDecoder.decode(file, limits: Self.roomy, applyOrientation: false)
        try expect(image, near: golden.rgb, file: golden.file)
    }

    @Test(arguments: read)
    func decode_appliesOrientation(golden: GoldenImages.Cases.Decode) throws {
        let file = try GoldenImages.shared.file(golden.file)
        let image = try ImageDecoder.decode(file, limits: Self.roomy)
        try expect(image, near: golden.uprightRGB, file: golden.file)
    }

    @Test
    func decode_takesArraysAndData() throws {
        let file = try GoldenImages.shared.file("rgb.png")
        let image = try ImageDecoder.decode(Array(file), limits: Self.roomy)
        #expect(try image == ImageDecoder.decode(file, limits: Self.roomy))
        // A slice that does not start at index 0.
        #expect(try image == ImageDecoder.decode((Data([1, 2, 3]) + file).dropFirst(3), limits: Self.roomy))
    }

    private func expect(_ image: PixelImage, near name: String, file: String) throws {
        guard file.hasSuffix(".jpg") || file == "lossy.webp" || file == "rgba.webp" else {
            let digest = try GoldenImages.shared.digest(name)
            try #require(digest.shape == [image.height, image.width, 3])
            #expect(digest.matches(image.pixels))
            return
        }
        let expected = try GoldenImages.shared.expected(name)
        try #require(expected.shape == [image.height, image.width, 3])
        let differences = zip(image.pixels, expected.bytes).map { abs(Int($0) - Int($1)) }
        #expect(differences.max() ?? 0 <= 3)
        #expect(Double(differences.reduce(0, +)) <= Double(differences.count))
    }
}
