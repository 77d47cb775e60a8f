import Images
import Testing

/// Resizing against Pillow, byte for byte.
struct GoldenResizeTests {
    @Test(arguments: GoldenImages.shared.cases.resize)
    func resize_equalsPillow(golden: GoldenImages.Cases.Resize) throws {
        let file = try GoldenImages.shared.file(golden.file)
        let image = try ImageDecoder.decode(file, limits: GoldenDecodeTests.roomy)
        let resized = image.resized(width: golden.width, height: golden.height, filter: golden.filter)
        let digest = try GoldenImages.shared.digest(golden.expected)
        #expect(Array(digest.shape.prefix(2)) == [resized.height, resized.width])
        // Gray pictures stayed one channel in the reference.
        guard digest.shape.count == 2 else {
            #expect(digest.matches(resized.pixels))
            return
        }
        let gray = stride(from: 0, to: resized.pixels.count, by: 3).map { resized.pixels[$0] }
        #expect(resized.pixels == gray.flatMap { [$0, $0, $0] })
        #expect(digest.matches(gray))
    }

    @Test(arguments: ResizeFilter.allCases)
    func resize_toOwnSizeChangesNothing(filter: ResizeFilter) throws {
        let image = try ImageDecoder.decode(GoldenImages.shared.file("rgb.png"), limits: GoldenDecodeTests.roomy)
        #expect(image.resized(width: image.width, height: image.height, filter: filter) == image)
    }

    @Test(arguments: ResizeFilter.allCases)
    func resize_keepsFlatColor(filter: ResizeFilter) {
        let color = RGBColor(red: 255, green: 0, blue: 77)
        let image = PixelImage(width: 5, height: 3, color: color)
        #expect(image.resized(width: 17, height: 1, filter: filter) == PixelImage(width: 17, height: 1, color: color))
        #expect(image.resized(width: 1, height: 40, filter: filter) == PixelImage(width: 1, height: 40, color: color))
    }

    @Test
    func filter_readsPillowCodes() {
        #expect(
            (0...5).compactMap(ResizeFilter.init(pillowCode:)).map(\.rawValue) == [
                "nearest", "lanczos", "bilinear", "bicubic", "box", "hamming",
            ]
        )
        #expect(ResizeFilter(pillowCode: 6) == nil)
        #expect(ResizeFilter(pillowCode: -1) == nil)
    }
}
