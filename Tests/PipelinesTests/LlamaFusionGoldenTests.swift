import Foundation
import GoldenData
import Images
import Networks
import Samplers
import Tensors
import Testing

@testable import Pipelines

/// Every case of the reference, through the pipeline, at the tolerances of the golden data.
@Suite struct LlamaFusionGoldenTests {
    static let drawings = ["text_to_image", "text_to_image_unguided", "text_to_image_ddpm", "edit"]

    @Test(arguments: GoldenModel.names, drawings)
    func drawing_equalsTheReference(model: String, name: String) throws {
        let golden = try GoldenCase("\(model)/cases/\(name)")
        let pipeline = try GoldenModel.pipeline(model, scheduler: golden.scheduler)
        var run = try pipeline.drawing(golden.generation())

        func expect(_ actual: [Float], _ tensor: String, within tolerance: Float) throws {
            let deviation = deviation(actual, from: try golden.tensor(tensor).array)
            #expect(deviation < tolerance, "\(tensor) of \(model)/\(name) is off by \(deviation) × scale")
        }
        try expect(run.rendering.state.drawings[0].latents.values, "initial_latents", within: 2e-6)
        #expect(run.rendering.schedule.timesteps == (try golden.integers("timesteps").map(Float.init)))
        let prefix = try golden.integers("prefix_ids")
        #expect(run.branches.contains { $0.sequence.passes == [.tokens(prefix)] })

        while run.progress.stage != .denoise { #expect(try run.advance() == nil) }
        if golden.contains("source_latents") {
            try expect(run.sources[0].values, "source_latents", within: 2e-5)
        }
        let noise = run.rendering.predictNoise(behind: run.branches.map(\.cache))
        try expect(noise[0].values, "noise_pred_0", within: 5e-5)
        for step in 1...(try golden.integer("steps")) {
            #expect(try run.advance() == nil)
            if step == 1 { try expect(run.rendering.state.drawings[0].latents.values, "latents_1", within: 5e-5) }
            if step == 2 { try expect(run.rendering.state.drawings[0].latents.values, "latents_2", within: 5e-5) }
        }
        try expect(run.rendering.state.drawings[0].latents.values, "latents_last", within: 2e-4)

        #expect(run.progress.stage == .decodeLatents)
        let pictures = try run.pictures()
        #expect(pictures.count == 1)
        try pictures[0].image.expectEqual(to: golden.folder.appending(path: "expected.png"))
        #expect(run.progress.fraction == 1)
    }

    @Test(arguments: GoldenModel.names)
    func decodedLatents_equalTheReference(model: String) throws {
        let loaded = try LlamaFusionModel(LlamaFusionFolder(url: GoldenModel.entry(model).path))
        for name in Self.drawings {
            let golden = try GoldenCase("\(model)/cases/\(name)")
            let latents = Latents(try golden.tensor("latents_last").array)
            let decoded = loaded.painter.autoencoder.decode(loaded.painter.tensor([latents])).permuted([0, 3, 1, 2])
            #expect(deviation(decoded, from: try golden.tensor("decoded")) < 2e-4)
        }
    }

    @Test(arguments: GoldenModel.names, ["question", "caption"])
    func answer_equalsTheReference(model: String, name: String) throws {
        let golden = try GoldenCase("\(model)/cases/\(name)")
        let pipeline = try GoldenModel.pipeline(model)
        var run = try pipeline.answering(golden.answer())
        while run.progress.stage == .encodeImage { #expect(try run.advance() == nil) }
        let expectedLatents = try golden.tensor("source_latents")
        #expect(deviation(run.sources[0].values, from: expectedLatents.array) < 2e-5)

        let logits = try pipeline.logits(of: run.reader, pictures: run.sources)
        #expect(deviation(logits, from: try golden.tensor("logits_first").array) < 5e-5)
        let answer = try run.answer()
        #expect(answer.tokenIDs == (try golden.integers("token_ids")))
        #expect(answer.finishReason == .length)
    }

    @Test(arguments: GoldenModel.names)
    func text_equalsTheReference(model: String) throws {
        let golden = try GoldenCase("\(model)/cases/text")
        let loaded = try LlamaFusionModel(LlamaFusionFolder(url: GoldenModel.entry(model).path))
        let pipeline = try GoldenModel.pipeline(model)
        var run = try pipeline.answering(golden.answer())
        #expect(try run.answer().tokenIDs == (try golden.integers("token_ids")))

        var caches = [loaded.config.text.cache()]
        let ids = [loaded.config.bosTokenID] + (try loaded.encode(try golden.string("prompt")))
        let logits = loaded.network.text.logits(loaded.network.text([ids], caches: &caches))
        #expect(deviation(logits, from: try golden.tensor("logits")) < 5e-5)
    }
}

extension LlamaFusionPipeline {
    /// Logits behind a sequence that nobody has read yet.
    fileprivate func logits(of reader: FusionReader, pictures: [Latents]) throws -> [Float] {
        var reader = FusionReader(reader.sequence, model)
        var hidden: Tensor?
        while !reader.isFinished { hidden = reader.readPass(model, pictures: pictures) }
        let logits = model.network.text.logits(try #require(hidden))
        return Array(logits.array.suffix(model.config.text.vocabularySize))
    }
}
