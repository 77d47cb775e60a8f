import Foundation
import GoldenData
import Images
import Networks
import Testing

@testable import Pipelines

/// What MetaQuery does with a picture before its language model looks at it.
@Suite struct ConditioningFrontTests {
    @Test(arguments: [(384, 384), (384, 512), (40, 30), (31, 1000), (385, 384)])
    func centerSquare_isTheMiddleAtTheRightSize(width: Int, height: Int) {
        let picture = PixelImage(width: width, height: height, color: RGBColor(red: 9, green: 8, blue: 7))
        let square = picture.centerSquare(side: 384)
        #expect(square == PixelImage(width: 384, height: 384, color: RGBColor(red: 9, green: 8, blue: 7)))
    }

    @Test func centerSquare_cutsBothEndsOff() {
        // Red and blue ends of a strip with a white square between them.
        let ends = (0..<600).flatMap { x -> [UInt8] in
            x < 100 ? [255, 0, 0] : x < 500 ? [255, 255, 255] : [0, 0, 255]
        }
        let strip = PixelImage(width: 600, height: 384, pixels: (0..<384).flatMap { _ in ends })
        #expect(strip.centerSquare(side: 384) == PixelImage(width: 384, height: 384, color: .white))
    }

    @Test(.enabled(if: GoldenMetaQuery.isHere, "needs the full golden data: TRIPTYCH_GOLDENS"))
    func patches_ofAConditioningPictureEqualTheReference() throws {
        let golden = try GoldenMetaQuery.golden("\(GoldenMetaQuery.stableDiffusion)/two_images")
        let model = try GoldenMetaQuery.pipeline(GoldenMetaQuery.stableDiffusion).model
        let front = try #require(model.conditioner.front as? Qwen25VLFront)
        let grids = try golden.metaQueryRequest().images.map { picture in
            front.imageProcessor.grid(of: PictureSize(width: picture.width, height: picture.height))
        }
        let sizes = try golden.integers("image_sizes")  // [3 branches × 2 pictures, frames ‖ rows ‖ columns]
        #expect(grids.flatMap { [$0.frames, $0.rows, $0.columns] } == Array(sizes.suffix(6)))
        // In conversations the model looks at them at another size.
        let own = try #require(model.languageModel.front as? Qwen25VLFront).imageProcessor
        #expect(own.pixelCount != front.imageProcessor.pixelCount)
    }
}
