import Foundation
import Images
import Testing

struct EncodingTests {
    private let limits = GoldenDecodeTests.roomy

    private func photo() throws -> PixelImage {
        try ImageDecoder.decode(GoldenImages.shared.file("rgb_big.png"), limits: limits)
    }

    private func meanDifference(_ a: PixelImage, _ b: PixelImage) -> Double {
        let sum = zip(a.pixels, b.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
        return Double(sum) / Double(a.pixels.count)
    }

    @Test(arguments: ["rgb_big.png", "rgb.png", "odd_1x1.png", "gray.png"])
    func png_losesNothing(name: String) throws {
        let image = try ImageDecoder.decode(GoldenImages.shared.file(name), limits: limits)
        let file = try image.encoded(as: .png)
        #expect(try ImageDecoder.decode(file, limits: limits) == image)
    }

    @Test
    func png_compresses() throws {
        let image = try photo()
        // Pillow's file of the same picture is the yardstick.
        let yardstick = try GoldenImages.shared.file("rgb_big.png").count
        #expect(try image.encoded(as: .png).count < yardstick * 11 / 10)
        #expect(try PixelImage(width: 512, height: 512, color: .white).encoded(as: .png).count < 4096)
    }

    @Test(arguments: ImageFormat.allCases)
    func encode_writesTheSameBytesEachTime(format: ImageFormat) throws {
        let image = try photo()
        #expect(try image.encoded(as: format, quality: 80) == image.encoded(as: format, quality: 80))
    }

    @Test(arguments: ImageFormat.allCases)
    func encode_writesItsFormat(format: ImageFormat) throws {
        let file = try photo().encoded(as: format)
        #expect(file.withUnsafeBytes { ImageFormat(sniffing: $0) } == format)
    }

    @Test(arguments: [ImageFormat.jpeg, .webp])
    func quality_tradesBytesForDetail(format: ImageFormat) throws {
        let image = try photo()
        let files = try [0, 50, 89, 100].map { try image.encoded(as: format, quality: $0) }
        let losses = try files.map { try meanDifference(ImageDecoder.decode($0, limits: limits), image) }
        #expect(zip(files, files.dropFirst()).allSatisfy { $0.count < $1.count })
        #expect(zip(losses, losses.dropFirst()).allSatisfy { $0 > $1 })
        // WebP halves the resolution of colour, which this picture has plenty of.
        #expect(losses[3] < (format == .jpeg ? 1 : 10))
        #expect(try image.encoded(as: format) == files[3])
    }

    @Test(arguments: ImageFormat.allCases, [-1, 101, .max])
    func encode_refusesQualityOutOfRange(format: ImageFormat, quality: Int) throws {
        #expect(throws: ImageError.qualityOutOfRange(quality)) {
            try PixelImage(width: 1, height: 1, color: .black).encoded(as: format, quality: quality)
        }
    }

    @Test(arguments: ImageFormat.allCases)
    func encode_refusesSidesBeyondTheFormat(format: ImageFormat) throws {
        let limit = format.maximumSide
        let longest = try PixelImage(width: limit, height: 1, color: .white).encoded(as: format)
        #expect(try ImageDecoder.decode(longest, limits: limits).width == limit)
        #expect(throws: ImageError.sideTooLong(format, width: 1, height: limit + 1, limit: limit)) {
            try PixelImage(width: 1, height: limit + 1, color: .white).encoded(as: format)
        }
    }

    @Test
    func mediaTypes_areRegisteredOnes() {
        #expect(ImageFormat.allCases.map(\.mediaType) == ["image/png", "image/jpeg", "image/webp"])
    }
}
