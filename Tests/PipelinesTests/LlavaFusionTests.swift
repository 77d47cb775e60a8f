import Checkpoints
import Foundation
import GoldenData
import Images
import Networks
import Tensors
import Testing

@testable import Pipelines

/// Every case of the reference, through the pipeline, at the tolerances of the golden data.
@Suite(.enabled(if: GoldenData.isHere("llavafusion"), "needs the full golden data: TRIPTYCH_GOLDENS"))
struct LlavaFusionTests {
    private static let url = GoldenData.url("llavafusion/checkpoint")

    private func pipeline() throws -> LlavaFusionPipeline {
        let entry = ModelEntry(name: "llavafusion", family: "llavafusion", path: Self.url)
        return try LlavaFusionPipeline(LlavaFusionModel(LlavaFusionFolder(url: Self.url)), entry)
    }

    private func golden(_ name: String) throws -> GoldenCase { try GoldenCase("llavafusion/cases/\(name)") }

    private func source(_ golden: GoldenCase) throws -> [PixelImage] {
        guard golden.json["source"] != nil else { return [] }
        return [try GoldenModel.picture(golden.folder.appending(path: "source.png"))]
    }

    private func request(_ golden: GoldenCase) throws -> GenerationRequest {
        GenerationRequest(
            prompt: try golden.string("prompt"),
            images: try source(golden),
            count: 1,
            seed: UInt64(try golden.integer("seed")),
            steps: try golden.integer("steps"),
            guidanceScale: try golden.number("guidance_scale")
        )
    }

    @Test(arguments: ["text_to_image", "image_and_text_to_image"])
    func drawing_equalsTheReference(name: String) throws {
        let golden = try golden(name)
        let pipeline = try pipeline()
        var run = try pipeline.drawing(request(golden))
        func expect(_ actual: [Float], _ tensor: String, within tolerance: Float) throws {
            let deviation = deviation(actual, from: try golden.tensor(tensor).array)
            #expect(deviation < tolerance, "\(tensor) of \(name) is off by \(deviation) × scale")
        }
        let turn = ChatTurn(.user, try golden.string("prompt"), images: try source(golden))
        let prompt = try pipeline.model.base.prompt(of: [turn], field: "prompt")
        #expect(prompt.ids(pipeline.model.base.front) == (try golden.integers("input_ids")))
        try expect(run.rendering.state.drawings[0].latents.values, "initial_latents", within: 2e-6)
        while run.progress.stage != .denoise { #expect(try run.advance() == nil) }
        let noise = run.rendering.predictNoise(behind: run.branches.map(\.cache))
        try expect(noise[0].values, "noise_pred_0", within: 5e-5)
        for step in 1...(try golden.integer("steps")) {
            #expect(try run.advance() == nil)
            if step == 1 { try expect(run.rendering.state.drawings[0].latents.values, "latents_1", within: 5e-5) }
        }
        let latents = run.rendering.state.drawings[0].latents
        try expect(latents.values, "latents_last", within: 2e-4)
        let painter = pipeline.model.painter
        let decoded = painter.autoencoder.decode(painter.tensor([latents])).permuted([0, 3, 1, 2])
        try expect(decoded.array, "decoded", within: 2e-4)

        #expect(run.progress.stage == .decodeLatents)
        let pictures = try run.pictures()
        #expect(pictures.count == 1)
        try pictures[0].image.expectEqual(to: golden.folder.appending(path: "expected.png"))
        #expect(run.progress.fraction == 1)
    }

    @Test(arguments: ["question_0", "question_1"]) func answer_equalsTheReference(name: String) throws {
        let golden = try golden(name)
        let pipeline = try pipeline()
        let front = try #require(pipeline.model.base.front as? LLaVAFront)
        let images = try source(golden)
        let tiles = front.imageProcessor.tiles(of: images[0]).map(front.imageProcessor.pixelValues)
        let values = Tensor.concatenated(tiles, axis: 0).permuted([0, 3, 1, 2])
        let expected = try golden.tensor("pixel_values")
        try #require(values.shape == expected.shape)
        let difference = zip(values.array, expected.array).reduce(0) { max($0, abs($1.0 - $1.1)) }
        // One level of 255: the reference resizes with torchvision, which rounds otherwise than Pillow.
        #expect(difference < 1.01 / (255 * 0.26130258), "\(difference)")
        let request = AnswerRequest(
            question: try golden.string("question"),
            images: images,
            maxTokens: try golden.integer("max_new_tokens")
        )
        var run = try pipeline.answering(request)
        #expect(try run.answer().tokenIDs == (try golden.integers("token_ids")))
    }

    // MARK: Runs

    @Test func drawing_goesOnFromAnyStep() throws {
        let pipeline = try pipeline()
        var request = try request(golden("image_and_text_to_image"))
        request.count = 2
        request.imageGuidanceScale = 1.5
        request.negativePrompt = "blurry"
        var whole = try pipeline.drawing(request)
        #expect(whole.branches.count == 3)
        let expected = try whole.finish()
        for steps in [0, 2, 5, 7, 9] {
            var first = try pipeline.drawing(request)
            for _ in 0..<steps { #expect(try first.advance() == nil) }
            var second = try pipeline.drawing(request)
            try second.restore(first.archivedState())
            #expect(try second.finish() == expected, "\(steps) steps")
        }
    }

    @Test func branches_areAsManyAsTheGuidanceNeeds() throws {
        let pipeline = try pipeline()
        var request = try request(golden("image_and_text_to_image"))
        #expect(try pipeline.drawing(request).branches.count == 2)
        request.guidanceScale = 1
        #expect(try pipeline.drawing(request).branches.count == 1)
    }

    @Test func requests_thatCannotBeMetAreRefused() throws {
        let pipeline = try pipeline()
        var request = try request(golden("text_to_image"))
        request.size = PictureSize(width: 8, height: 8)
        #expect(throws: PipelineError.self) { try pipeline.drawing(request) }
        request.size = nil
        request.prompt = String(repeating: "x\n", count: 8192)
        #expect(throws: PipelineError.self) { try pipeline.drawing(request) }
        let pictures = Array(repeating: PixelImage(width: 1, height: 1, color: .black), count: 1000)
        #expect(throws: PipelineError.self) { try pipeline.answering(AnswerRequest(question: "?", images: pictures)) }
    }

    // MARK: Folder

    @Test func check_findsNothingWrong() {
        let report = ModelFamily.llavaFusion.check(ModelEntry(name: "x", family: "llavafusion", path: Self.url))
        #expect(report.problems.isEmpty, "\(report.problems)")
        #expect(report.summary.count == 3)
    }

    @Test(arguments: [
        (#""boi_token_id": 642"#, #""boi_token_id": 652"#, "boi_token_id: 652"),
        (#""latent_channels": 4"#, #""latent_channels": 8"#, "latent_channels"),
        (#""deep""#, #""wide""#, "separation"), (#""llavafusion""#, #""llamafusion""#, "model_type"),
        (#""deep""#, #""shared""#, "image_model.layers.0.input_layernorm.weight"),
    ])
    func folder_problemsAreNamed(text: String, other: String, reason: String) throws {
        try withTemporaryFolder { folder in
            for file in ["llava-next", "vae", "scheduler", "model.safetensors"] {
                try FileManager.default.createSymbolicLink(
                    at: folder.appending(path: file),
                    withDestinationURL: Self.url.appending(path: file)
                )
            }
            let config = try String(contentsOf: Self.url.appending(path: "config.json"), encoding: .utf8)
            let changed = config.replacing(text, with: other)
            try #require(changed != config)
            try Data(changed.utf8).write(to: folder.appending(path: "config.json"))
            let report = ModelFamily.llavaFusion.check(ModelEntry(name: "x", family: "llavafusion", path: folder))
            #expect(report.problems.contains { $0.contains(reason) }, "\(report.problems)")
            let error = #expect(throws: CheckpointError.self) { try LlavaFusionModel(LlavaFusionFolder(url: folder)) }
            #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
        }
    }
}
