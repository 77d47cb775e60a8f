import Checkpoints
import Foundation
import GoldenData
import Images
import Tensors
import Testing

@testable import Pipelines

@Suite struct LLaVAImageProcessorTests {
    private func decode(_ json: String) throws -> LLaVAImageProcessor {
        try ConfigurationFile.decode(LLaVAImageProcessor.self, from: Data(json.utf8), file: "preprocessor_config.json")
    }

    private static let oneVision = """
        {"image_processor_type": "LlavaOnevisionImageProcessor", "size": {"height": 42, "width": 42},
         "image_grid_pinpoints": [[42, 42], [42, 84], [42, 126], [84, 42], [84, 84], [84, 126], [126, 42], [126, 84],
          [126, 126]], "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
        """
    private static let next = """
        {"image_processor_type": "LlavaNextImageProcessor", "size": {"shortest_edge": 42},
         "crop_size": {"height": 42, "width": 42},
         "image_grid_pinpoints": [[42, 84], [84, 42], [84, 84], [126, 42], [42, 126]]}
        """

    /// The fuller set of reference pictures: the repository's own holds fewer tensors.
    private static let images = GoldenData.full("units/images")
    private static let hasImages = images.map { FileManager.default.fileExists(atPath: $0.path) } ?? false

    @Test(
        .enabled(if: hasImages, "needs the full golden data: TRIPTYCH_GOLDENS"),
        arguments: ["rgb.png", "rgb_big.png", "wide.png", "tall.png", "square.png"]
    )
    func pictures_equalTheReference(file: String) throws {
        let folder = try #require(Self.images)
        let golden = try SafetensorsFile(folder.appending(path: "expected.safetensors"))
        let picture = try GoldenModel.picture(folder.appending(path: file))
        for (json, kind) in [(Self.oneVision, "llavaov"), (Self.next, "llavanext")] {
            let processor = try decode(json)
            let expected = try #require(golden.tensors.first { $0.name == "pre.\(kind)_anyres.\(file)" }).tensor()
            let tiles = processor.tiles(of: picture)
            #expect(tiles.count == processor.tileCount(of: picture))
            let values = Tensor.concatenated(tiles.map(processor.pixelValues), axis: 0).permuted([0, 3, 1, 2])
            try #require(values.shape == expected.shape)
            #expect(zip(values.array, expected.array).allSatisfy { abs($0 - $1) < 1e-5 }, "\(kind)")
        }
    }

    /// 41 rows in the middle of 84 leave one that no border covers: the last tiles are a row short and stretched.
    @Test func borders_areEquallyWide() throws {
        let white = PixelImage(width: 84, height: 41, color: .white)
        for json in [Self.oneVision, Self.next] {
            let narrow = json.replacing(#/\[\[42, .*\]\]/#.dotMatchesNewlines(), with: "[[84, 84]]")
            let tiles = try decode(narrow).tiles(of: white)
            #expect(tiles.count == 5)
            #expect(tiles[0] == PixelImage(width: 42, height: 42, color: .white))
            #expect(tiles.allSatisfy { $0.width == 42 && $0.height == 42 })
            #expect(tiles[1][x: 20, y: 20] == .black && tiles[1][x: 20, y: 21] == .white)
            #expect(tiles[3][x: 20, y: 10] == .white && tiles[3][x: 20, y: 41] == .black)
        }
    }

    private struct NewFile: Decodable {
        var processor: LLaVAImageProcessor
        private enum CodingKeys: String, CodingKey { case processor = "image_processor" }
    }

    /// Since 5.0 the row that is left goes below, and no tile is short.
    @Test func borders_ofNewFilesFillTheGrid() throws {
        let white = PixelImage(width: 84, height: 41, color: .white)
        for json in [Self.oneVision, Self.next] {
            let narrow = json.replacing(#/\[\[42, .*\]\]/#.dotMatchesNewlines(), with: "[[84, 84]]")
            let data = Data(#"{"image_processor": \#(narrow)}"#.utf8)
            let new = try ConfigurationFile.decode(NewFile.self, from: data, file: "processor_config.json").processor
            let fast = try decode(narrow.replacing("Processor\"", with: "ProcessorFast\""))
            #expect(new == fast)
            let tiles = new.tiles(of: white)
            #expect(tiles[1][x: 20, y: 20] == .black && tiles[1][x: 20, y: 21] == .white)
            #expect(tiles[3][x: 20, y: 19] == .white && tiles[3][x: 20, y: 20] == .black)
            #expect(tiles[3] == tiles[4])
        }
    }

    @Test(arguments: [(1, 1), (60_000, 1), (1, 60_000), (41, 43)])
    func picturesOfAnyShape_becomeTiles(width: Int, height: Int) throws {
        for json in [Self.oneVision, Self.next] {
            let processor = try decode(json)
            let picture = PixelImage(width: width, height: height, color: .white)
            let tiles = processor.tiles(of: picture)
            #expect(tiles.count == processor.tileCount(of: picture))
            #expect(tiles.allSatisfy { $0.width == 42 && $0.height == 42 })
        }
    }

    @Test func frames_areStretched() throws {
        let frame = try decode(Self.oneVision).frame(PixelImage(width: 10, height: 100, color: .white))
        #expect(frame == PixelImage(width: 42, height: 42, color: .white))
    }

    @Test func config_hasTransformersDefaults() throws {
        let written = #""resample": 3, "do_resize": true, "do_pad": true, "rescale_factor": 0.00392156862745098, "#
        #expect(
            try decode(Self.oneVision) == decode(Self.oneVision.replacing("{\"image_p", with: "{\(written)\"image_p"))
        )
        let mean = #""image_mean": [0.48145466, 0.4578275, 0.40821073], "#
        #expect(try decode(Self.next) == decode(Self.next.replacing("{\"image_p", with: "{\(mean)\"image_p")))
    }

    @Test(arguments: [
        ("OnevisionImageProcessor", "OtherImageProcessor", "image_processor_type"),
        (#""height": 42, "width": 42"#, #""height": 42, "width": 40"#, "size.width"),
        (#""height": 42, "width": 42"#, #""height": 0, "width": 0"#, "size.height"),
        (#"{"height": 42, "width": 42}"#, "42", "size"), (#"[[42, 42], "#, #"[[42, 43], "#, "image_grid_pinpoints"),
        (#""size""#, #""do_resize": false, "size""#, "do_resize"), (#""size""#, #""resample": 7, "size""#, "resample"),
        (#""image_std": [0.5, 0.5, 0.5]"#, #""image_std": 0"#, "image_std"),
    ])
    func config_errorsNameTheJSONPath(text: String, other: String, path: String) throws {
        let error = #expect(throws: CheckpointError.self) { try decode(Self.oneVision.replacing(text, with: other)) }
        let expected = "preprocessor_config.json: \(path):"
        #expect(error?.description.hasPrefix(expected) == true, "\(String(describing: error))")
    }

    @Test(arguments: [
        (#"{"shortest_edge": 42}"#, #"{"shortest_edge": 41}"#, "size.shortest_edge"),
        (#""size""#, #""do_center_crop": false, "size""#, "do_center_crop"),
        (#""crop_size": {"height": 42, "width": 42}"#, #""crop_size": {"height": 42}"#, "crop_size.width"),
    ])
    func config_ofLLaVANeXTErrorsNameTheJSONPath(text: String, other: String, path: String) throws {
        let error = #expect(throws: CheckpointError.self) { try decode(Self.next.replacing(text, with: other)) }
        let expected = "preprocessor_config.json: \(path):"
        #expect(error?.description.hasPrefix(expected) == true, "\(String(describing: error))")
    }
}
