import Checkpoints
import Foundation
import GoldenData
import Images
import Networks
import Tensors
import Testing

@testable import Pipelines

/// What Qwen2.5-VL sees of the pictures it is given, at the tolerances of the golden data.
@Suite(.enabled(if: GoldenData.isHere("metaquery_qwen25vl_sd"), "needs the full golden data: TRIPTYCH_GOLDENS"))
struct Qwen25VisionGoldenTests {
    private let folder = GoldenData.url("metaquery_qwen25vl_sd/components/Qwen/Qwen2.5-VL-tiny-Instruct")

    private func processor() throws -> Qwen2VLImageProcessor {
        let file = folder.appending(path: "preprocessor_config.json")
        return try ConfigurationFile.decode(Qwen2VLImageProcessor.self, at: file)
    }

    private func network() throws -> Qwen25Vision {
        let file = folder.appending(path: "config.json")
        let config = try ConfigurationFile.decode(Qwen25VisionConfig.self, at: file)
        let keys = KeyTable(renamed: Qwen25Vision.keys.renamed, ignoredPrefixes: ["model."])
        return try Checkpoint(folder).load(keys: keys) { Qwen25Vision(config, $0["visual"]) }
    }

    private func pictures(_ golden: GoldenCase) throws -> [PixelImage] {
        let files = try #require(golden.json["images"] as? [String])
        return try files.map { try GoldenModel.picture(golden.folder.appending(path: $0)) }
    }

    /// Compares the patches of pictures, one behind the other, with those that the reference kept.
    private func check(_ patched: [PatchedPicture], _ golden: GoldenCase, sizes: String) throws {
        let grids = patched.flatMap { [$0.grid.frames, $0.grid.rows, $0.grid.columns] }
        #expect(grids == (try golden.integers(sizes)))
        let all = Tensor.concatenated(patched.map(\.patches), axis: 0)
        let expected = try golden.tensor("pixel_values_rows")
        for (index, row) in try golden.integers("pixel_values_rows_index").enumerated() {
            let (actual, wanted) = (all[row..<(row + 1)].array, expected[index..<(index + 1)].array)
            #expect(zip(actual, wanted).allSatisfy { abs($0 - $1) < 1e-5 }, "row \(row)")
        }
    }

    @Test(arguments: ["chat_image0", "chat_image1"]) func pictures_becomeTheReferencesTokens(name: String) throws {
        let golden = try GoldenCase("metaquery_qwen25vl_sd/cases/\(name)")
        let processor = try processor()
        let patched = try pictures(golden).map { processor($0) }
        try check(patched, golden, sizes: "image_grid_thw")
        let features = try network()(patched[0].patches, patched[0].grid)
        let expected = try golden.tensor("image_features")
        #expect(features.shape == expected.shape)
        #expect(deviation(features, from: expected) < 5e-5)
    }

    /// Pictures to draw from have limits of their own; the branches are black pictures, pictures, pictures.
    @Test func picturesToDrawFrom_equalTheReference() throws {
        let golden = try GoldenCase("metaquery_qwen25vl_sd/cases/two_images")
        var processor = try processor()
        processor.pixelCount = 256 * 28 * 28...1280 * 28 * 28
        let pictures = try pictures(golden)
        let black = pictures.map { PixelImage(width: $0.width, height: $0.height, color: .black) }
        let patched = (black + pictures + pictures).map { processor($0) }
        try check(patched, golden, sizes: "image_sizes")
    }

    @Test func severalPictures_doNotDependOnEachOther() throws {
        let network = try network()
        let processor = try processor()
        let golden = try GoldenCase("metaquery_qwen25vl_sd/cases/two_images")
        let patched = try pictures(golden).map { processor($0) }
        let video = processor.patches(of: try pictures(golden), like: PictureSize(width: 84, height: 56))
        let all = patched + [video]
        let together = network(.concatenated(all.map(\.patches), axis: 0), all.map(\.grid))
        for (picture, tokens) in zip(all, together) {
            #expect(tokens.shape == [picture.grid.merged(by: 2).patches, network.config.outputWidth])
            #expect(tokens.array == network(picture.patches, picture.grid).array)
        }
    }
}
