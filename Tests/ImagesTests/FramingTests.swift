import Images
import Testing

struct FramingTests {
    private let image = PixelImage(width: 3, height: 2, pixels: (0..<18).map { UInt8($0) })

    @Test
    func crop_takesTheRectangle() {
        let crop = image.cropped(x: 1, y: 1, width: 2, height: 1)
        #expect(crop == PixelImage(width: 2, height: 1, pixels: [12, 13, 14, 15, 16, 17]))
        #expect(image.cropped(x: 0, y: 0, width: 3, height: 2) == image)
    }

    @Test
    func pad_framesThePicture() {
        let color = RGBColor(red: 1, green: 2, blue: 3)
        let framed = image.padded(left: 1, top: 2, right: 3, bottom: 4, color: color)
        #expect(framed.width == 7)
        #expect(framed.height == 8)
        #expect(framed.cropped(x: 1, y: 2, width: 3, height: 2) == image)
        let border = (0..<8).flatMap { y in (0..<7).map { (x: $0, y: y) } }
            .filter { !(1..<4).contains($0.x) || !(2..<4).contains($0.y) }
        #expect(border.allSatisfy { framed[x: $0.x, y: $0.y] == color })
    }

    @Test
    func padToSquare_putsTheOddRowBelow() {
        let gray = RGBColor(red: 127, green: 127, blue: 127)
        let square = image.paddedToSquare(color: gray)
        #expect(square.width == 3 && square.height == 3)
        #expect(square.cropped(x: 0, y: 0, width: 3, height: 2) == image)
        #expect(square[x: 1, y: 2] == gray)
        let tall = image.cropped(x: 0, y: 0, width: 1, height: 2).paddedToSquare(color: gray)
        #expect(tall[x: 0, y: 1] == RGBColor(red: 9, green: 10, blue: 11))
        #expect(tall[x: 1, y: 1] == gray)
    }
}
