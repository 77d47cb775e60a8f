import Checkpoints
import Foundation
import GoldenData
import Images
import Networks
import Tensors
import Testing

@testable import Pipelines

@Suite struct SigLIPImageProcessorTests {
    private func decode(_ json: String) throws -> SigLIPImageProcessor {
        try ConfigurationFile.decode(SigLIPImageProcessor.self, from: Data(json.utf8), file: "preprocessor_config.json")
    }

    /// A picture of reproducible pixels.
    private func picture(width: Int, height: Int) -> PixelImage {
        var state: UInt32 = 7
        let pixels = (0..<3 * width * height).map { _ -> UInt8 in
            state = state &* 1_664_525 &+ 1_013_904_223
            return UInt8(state >> 24)
        }
        return PixelImage(width: width, height: height, pixels: pixels)
    }

    @Test func config_hasTransformersDefaults() throws {
        let processor = try decode("{}")
        #expect(processor.pictureSize == 224 && processor.filter == .bicubic)
        #expect(processor.background == RGBColor(red: 127, green: 127, blue: 127))
        #expect(try decode(#"{"size": {"height": 224, "width": 224}, "resample": 3, "image_mean": 0.5}"#) == processor)
        let written = #"{"image_mean": null, "do_convert_rgb": null, "rescale_factor": 0.00392156862745098}"#
        #expect(try decode(written) == processor)
    }

    @Test func levels_areRescaledAndNormalized() throws {
        let size = #""size": {"height": 1, "width": 1}"#
        func values(_ json: String) throws -> [Float] {
            let picture = PixelImage(width: 1, height: 1, pixels: [0, 51, 255])
            return try decode("{\(size)\(json)}")(picture, framing: .stretched).array
        }
        #expect(deviation(try values(""), from: [-1, -0.6, 1]) < 1e-6)
        #expect(deviation(try values(#", "do_normalize": false"#), from: [0, 0.2, 1]) < 1e-6)
        let unscaled = #", "do_rescale": false, "image_mean": 1, "image_std": 2"#
        #expect(deviation(try values(unscaled), from: [-0.5, 25, 127]) < 1e-6)
        let each = #", "image_mean": [0, 0.1, 0.2], "image_std": [1, 2, 4]"#
        #expect(deviation(try values(each), from: [0, 0.05, 0.2]) < 1e-6)
    }

    @Test(arguments: [(40, 40), (41, 40), (9, 50), (50, 9), (64, 7), (1, 30), (30, 1), (16, 3000), (3000, 16)])
    func paddedPictures_equalThoseResizedWhole(width: Int, height: Int) {
        let picture = picture(width: width, height: height)
        let color = RGBColor(red: 127, green: 3, blue: 255)
        for filter in ResizeFilter.allCases {
            for side in [1, 16, 50] {
                let expected = picture.paddedToSquare(color: color).resized(width: side, height: side, filter: filter)
                let actual = picture.resizedOnSquare(side: side, filter: filter, color: color)
                #expect(actual == expected, "\(filter) to \(side)")
            }
        }
    }

    @Test func longStrips_arePaddedInLittleMemory() {
        let strip = PixelImage(width: 60_000, height: 1, color: .white)
        let resized = strip.resizedOnSquare(side: 16, filter: .bicubic, color: .black)
        #expect(resized == PixelImage(width: 16, height: 16, color: .black))
    }

    @Test func framing_followsTheAspectRatio() throws {
        let processor = try decode(#"{"size": {"height": 8, "width": 8}, "resample": 0}"#)
        let white = PixelImage(width: 8, height: 4, color: .white)
        #expect(SigLIPImageProcessor.Framing(aspectRatio: "square") == .stretched)
        #expect(SigLIPImageProcessor.Framing(aspectRatio: nil) == .stretched)
        #expect(processor(white, framing: .stretched).array.allSatisfy { $0 == 1 })
        let padded = processor(white, framing: SigLIPImageProcessor.Framing(aspectRatio: "pad"))
        let border = Float(127) / 255 * 2 - 1
        let rows = (0..<8).map { padded.reshaped([8, 24])[$0..<($0 + 1)].array }
        #expect(rows[2...5].allSatisfy { $0.allSatisfy { $0 == 1 } })
        #expect((rows[..<2] + rows[6...]).allSatisfy { $0.allSatisfy { abs($0 - border) < 1e-6 } })
    }

    @Test(arguments: [
        (#"{"image_processor_type": "CLIPImageProcessor"}"#, "image_processor_type"),
        (#"{"do_resize": false}"#, "do_resize"), (#"{"resample": 6}"#, "resample"),
        (#"{"resample": "bicubic"}"#, "resample"), (#"{"size": 224}"#, "size"),
        (#"{"size": {"height": 224}}"#, "size.width"), (#"{"size": {"height": 224, "width": 200}}"#, "size.width"),
        (#"{"size": {"height": 0, "width": 0}}"#, "size.height"), (#"{"size": {"shortest_edge": 224}}"#, "size.height"),
        (#"{"rescale_factor": 0}"#, "rescale_factor"), (#"{"image_mean": [0.5, 0.5]}"#, "image_mean"),
        (#"{"image_mean": [0.5, "x", 0.5]}"#, "image_mean[1]"), (#"{"image_std": [0.5, 0, 0.5]}"#, "image_std"),
        (#"{"image_std": -1}"#, "image_std"), (#"{"image_std": NaN}"#, "image_std"),
    ])
    func config_errorsNameTheJSONPath(json: String, path: String) throws {
        let error = #expect(throws: CheckpointError.self) { try decode(json) }
        let expected = "preprocessor_config.json: \(path):"
        #expect(error?.description.hasPrefix(expected) == true, "\(String(describing: error))")
    }

    @Test func config_mustFitTheNetwork() throws {
        let path = "metamorph/components/google/siglip-so400m-patch14-384"
        let folder = SigLIPFolder(url: GoldenData.folder.appending(path: path))
        var config = try folder.config()
        #expect(try folder.imageProcessor(for: config).pictureSize == 66)
        config.encoder.pictureSize = 60
        let error = #expect(throws: CheckpointError.self) { try folder.imageProcessor(for: config) }
        #expect(error?.description.contains("preprocessor_config.json: size: 66 pixels") == true)
    }
}

@Suite struct VisualTokenReductionTests {
    @Test func tokens_mustBeASquare() {
        for tokens in [Int.min, -4, 0, 2, 63, 65, Int.max] {
            #expect(VisualTokenReduction(tokens: tokens, isNormalized: false) == nil)
        }
        #expect(VisualTokenReduction(tokens: 64, isNormalized: true)?.gridSize == 8)
    }

    @Test func patches_stayWhereTheirNumberIsThatOfTokens() throws {
        let patches = Tensor((0..<18).map(Float.init), shape: [1, 9, 2])
        let reduction = try #require(VisualTokenReduction(tokens: 9, isNormalized: false))
        #expect(reduction(patches).array == patches.array)
    }

    @Test func tokens_haveLengthOneWhereTheyAreNormalized() throws {
        // Three columns to two: the middles of the new ones lie at 0.25 and 1.75.
        let patches = Tensor([3, 4, 3, 4, 0, 0, 3, 4, 3, 4, 0, 0, 3, 4, 3, 4, 0, 0], shape: [1, 9, 2])
        let plain = try #require(VisualTokenReduction(tokens: 4, isNormalized: false))
        #expect(deviation(plain(patches).array, from: [3, 4, 0.75, 1, 3, 4, 0.75, 1]) < 1e-6)
        let unit = try #require(VisualTokenReduction(tokens: 4, isNormalized: true))
        #expect(deviation(unit(patches).array, from: [0.6, 0.8, 0.6, 0.8, 0.6, 0.8, 0.6, 0.8]) < 1e-6)
        let zeros = unit(.zeros([2, 9, 2]))
        #expect(zeros.shape == [2, 4, 2] && zeros.array.allSatisfy { $0 == 0 })
    }
}
