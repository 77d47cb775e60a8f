import Checkpoints
import Foundation
import GoldenData
import Images
import Networks
import Tensors
import Testing

@testable import Pipelines

@Suite struct Qwen2VLImageProcessorTests {
    private func decode(_ json: String) throws -> Qwen2VLImageProcessor {
        try ConfigurationFile.decode(
            Qwen2VLImageProcessor.self,
            from: Data(json.utf8),
            file: "preprocessor_config.json"
        )
    }

    /// A picture of reproducible pixels.
    private func picture(width: Int, height: Int, seed: UInt32 = 7) -> PixelImage {
        var state = seed
        let pixels = (0..<3 * width * height).map { _ -> UInt8 in
            state = state &* 1_664_525 &+ 1_013_904_223
            return UInt8(state >> 24)
        }
        return PixelImage(width: width, height: height, pixels: pixels)
    }

    // MARK: Configuration

    @Test func config_hasTransformersDefaults() throws {
        let processor = try decode("{}")
        #expect(processor.pixelCount == 3136...1_003_520 && processor.filter == .bicubic)
        #expect((processor.patchSize, processor.temporalPatchSize, processor.mergeSize) == (14, 2, 2))
        let mean = #""image_mean": [0.48145466, 0.4578275, 0.40821073]"#
        let written = #"{\#(mean), "min_pixels": null, "do_convert_rgb": true, "rescale_factor": 0.00392156862745098}"#
        #expect(try decode(written) == processor)
    }

    @Test func pixelLimits_haveTwoSpellings() throws {
        #expect(try decode(#"{"min_pixels": 100, "max_pixels": 9000}"#).pixelCount == 100...9000)
        #expect(try decode(#"{"size": {"shortest_edge": 100, "longest_edge": 9000}}"#).pixelCount == 100...9000)
        let both = #"{"size": {"shortest_edge": 1, "longest_edge": 2}, "min_pixels": 100, "max_pixels": 9000}"#
        #expect(try decode(both).pixelCount == 100...9000)
    }

    @Test(arguments: [
        (#"{"image_processor_type": "SiglipImageProcessor"}"#, "image_processor_type"),
        (#"{"do_resize": false}"#, "do_resize"), (#"{"resample": 9}"#, "resample"),
        (#"{"min_pixels": 0}"#, "min_pixels"), (#"{"max_pixels": 1e18}"#, "max_pixels"),
        (#"{"min_pixels": 9000, "max_pixels": 100}"#, "max_pixels"),
        (#"{"size": {"shortest_edge": -1}}"#, "size.shortest_edge"), (#"{"size": 224}"#, "size"),
        (#"{"patch_size": 0}"#, "patch_size"), (#"{"temporal_patch_size": "2"}"#, "temporal_patch_size"),
        (#"{"merge_size": 17}"#, "merge_size"), (#"{"image_std": [1, 0, 1]}"#, "image_std"),
    ])
    func config_errorsNameTheJSONPath(json: String, path: String) throws {
        let error = #expect(throws: CheckpointError.self) { try decode(json) }
        let description = try #require(error).description
        #expect(description.hasPrefix("preprocessor_config.json: \(path):"), "\(description)")
    }

    // MARK: Sizes

    @Test(arguments: [
        (10, 10, 56, 56), (1, 1, 56, 56), (1, 200, 28, 812), (28, 28, 56, 56), (42, 70, 56, 56), (98, 70, 112, 56),
        (30_000, 200, 12_264, 56),
    ])
    func picturesOfAnySize_becomeWholeTokens(width: Int, height: Int, newWidth: Int, newHeight: Int) throws {
        let size = try decode("{}").size(of: PictureSize(width: width, height: height))
        #expect(size == PictureSize(width: newWidth, height: newHeight))
    }

    @Test func strips_areRefused() throws {
        let processor = try decode("{}")
        try processor.checkProportions(of: PictureSize(width: 2000, height: 10), field: "image")
        let error = #expect(throws: PipelineError.self) {
            try processor.checkProportions(of: PictureSize(width: 10, height: 2001), field: "image")
        }
        #expect(error?.description.hasPrefix("image: a picture of 10 × 2001 pixels") == true)
    }

    @Test func grids_countTokens() throws {
        let processor = try decode("{}")
        let grid = processor.grid(of: PictureSize(width: 140, height: 84))
        #expect(grid == PatchGrid(frames: 1, rows: 6, columns: 10) && grid.merged(by: 2).patches == 15)
        let video = processor.grid(of: PictureSize(width: 140, height: 84), frames: 5)
        #expect(video.frames == 3 && video.merged(by: 2).patches == 45)
    }

    // MARK: Pixels

    /// Patches of two by two pixels, tokens of two by two patches.
    private let small = #"""
        {"patch_size": 2, "min_pixels": 1, "max_pixels": 1000, "do_normalize": false, "rescale_factor": 1}
        """#

    @Test func patches_lieTokenByToken() throws {
        let picture = picture(width: 8, height: 4)
        let patched = try decode(small)(picture)
        #expect(patched.grid == PatchGrid(frames: 1, rows: 2, columns: 4) && patched.patches.shape == [8, 24])
        // Row and column of the patches, both rows of the first token before the second.
        let places = [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (0, 3), (1, 2), (1, 3)]
        let expected = places.flatMap { row, column in
            (0..<3).flatMap { channel in
                // Twice: a picture counts as two frames.
                [0, 1].flatMap { _ in
                    [(0, 0), (0, 1), (1, 0), (1, 1)].map { y, x in
                        Float(picture.pixels[((2 * row + y) * 8 + 2 * column + x) * 3 + channel])
                    }
                }
            }
        }
        #expect(patched.patches.array == expected)
    }

    @Test func frames_takeTheirPlacesInPatches() throws {
        let processor = try decode(small)
        let frames = (0..<3).map { picture(width: 8, height: 4, seed: $0) }
        let video = processor.patches(of: frames, like: PictureSize(width: 8, height: 4))
        #expect(video.grid == PatchGrid(frames: 2, rows: 2, columns: 4))
        let alone = frames.map { processor($0).patches.array }
        let patches = video.patches.array
        // [patch, channel, frame, y, x]
        for index in patches.indices {
            let isSecondFrame = index / 4 % 2 == 1
            let frame = index < 8 * 24 && isSecondFrame ? 1 : index < 8 * 24 ? 0 : 2
            #expect(patches[index] == alone[frame][index % (8 * 24)], "value \(index)")
        }
    }

    @Test func frames_areBroughtToOneSize() throws {
        let frames = [picture(width: 8, height: 4), picture(width: 12, height: 12)]
        let video = try decode(small).patches(of: frames, like: PictureSize(width: 8, height: 4))
        #expect(video.grid == PatchGrid(frames: 1, rows: 2, columns: 4))
        let second = try decode(small).patches(of: [frames[1]], like: PictureSize(width: 8, height: 4))
        #expect(video.patches[0..<1].array[4..<8] == second.patches[0..<1].array[4..<8])
    }
}

@Suite(.enabled(if: GoldenData.full("units/images") != nil, "needs the full golden data: TRIPTYCH_GOLDENS"))
struct Qwen2VLImageProcessorGoldenTests {
    private struct Sizes: Decodable {
        struct Size: Decodable {
            let h, w, min_pixels, max_pixels: Int
            let out: [Int]?
            let error: String?
        }
        let smart_resize: [Size]
    }

    private struct Cases: Decodable {
        struct Case: Decodable {
            struct Config: Decodable {
                let min_pixels, max_pixels: Int?
                let grid_thw: [Int]?
            }
            let file: String
            let processor: String
            let config: Config
            let expected: String
        }
        let preprocess: [Case]
    }

    private func processor(_ pixels: ClosedRange<Int>) throws -> Qwen2VLImageProcessor {
        var processor = try ConfigurationFile.decode(Qwen2VLImageProcessor.self, from: Data("{}".utf8), file: "")
        processor.pixelCount = pixels
        return processor
    }

    @Test func sizes_equalTheReference() throws {
        let file = try #require(GoldenData.full("units/images/sizes.json"))
        let sizes = try JSONDecoder().decode(Sizes.self, from: Data(contentsOf: file)).smart_resize
        #expect(sizes.count == 300)
        for size in sizes {
            let processor = try processor(size.min_pixels...size.max_pixels)
            let actual = processor.size(of: PictureSize(width: size.w, height: size.h))
            if let expected = size.out {
                #expect([actual.height, actual.width] == expected, "\(size)")
            } else {
                // Refused by the reference for a side of less than 28 pixels.
                #expect(size.error?.contains("must be larger than factor:28") == true)
                #expect(actual.height % 28 == 0 && actual.width % 28 == 0 && min(actual.height, actual.width) > 0)
            }
        }
    }

    @Test func pixelValues_equalTheReference() throws {
        let folder = try #require(GoldenData.full("units/images"))
        let data = try Data(contentsOf: folder.appending(path: "case.json"))
        let cases = try JSONDecoder().decode(Cases.self, from: data).preprocess
            .filter { $0.processor == "Qwen2VLImageProcessor" }
        let tensors = try SafetensorsFile(folder.appending(path: "expected.safetensors")).tensors
        #expect(cases.count == 12)
        for one in cases {
            let pixels = try #require(one.config.min_pixels)...(try #require(one.config.max_pixels))
            let picture = try GoldenModel.picture(folder.appending(path: one.file))
            let patched = try processor(pixels)(picture)
            let grid = patched.grid
            #expect([grid.frames, grid.rows, grid.columns] == one.config.grid_thw, "\(one.expected)")
            let expected = try #require(tensors.first { $0.name == one.expected })
            #expect(patched.patches.shape == expected.shape)
            // Decoders of JPEG differ by up to three levels of 0.015.
            let limit: Float = one.file.hasSuffix(".jpg") ? 0.05 : 1e-5
            let worst = zip(patched.patches.array, expected.tensor().array).map { abs($0 - $1) }.max() ?? .infinity
            #expect(worst < limit, "\(one.expected)")
        }
    }
}
