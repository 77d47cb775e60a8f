import Checkpoints
import Foundation
import GoldenData
import Images
import Networks
import Tensors
import Testing

@testable import Pipelines

/// From requests to conditions and pictures, with both language models.
@Suite struct MetaQueryGoldenTests {
    /// The branches that a run reads, and their rows of the reference.
    private func rows(_ golden: GoldenCase, _ readers: [ConditionReader]) throws -> [Int] {
        let count = try golden.integer("num_images_per_prompt")
        let last = try golden.integer("branches") * count - 1
        return readers.enumerated().map { index, reader in
            if index == readers.count - 1 { return last }
            // Equal branches are one, so that a row may be missing.
            guard case .given? = reader.branch.pictures.first else { return 0 }
            return last - 1
        }
    }

    /// In units of the largest expected value of all rows.
    private func deviation(_ actual: Tensor, from expected: Tensor, row: Int) -> Float {
        let values = expected[row..<(row + 1)].array
        guard actual.count == values.count, actual.array.allSatisfy(\.isFinite) else { return .infinity }
        let scale = expected.array.reduce(0) { max($0, abs($1)) }
        return zip(actual.array, values).reduce(0) { max($0, abs($1.0 - $1.1)) } / scale
    }

    /// Where two pictures make a prompt of 700 tokens, the tiny Qwen2.5-VL multiplies rounding: in float64 its rows are
    /// 2.5e-5 × scale away from the reference's, 4e-5 from those of another PyTorch in float32, and 3.5e-5 from ours. What
    /// the connector makes of them is off by 4.6e-5 with the baseline kernels, by 9.4e-5 with those of AVX-512. A wrong
    /// norm would still be seen.
    private func tolerance(_ name: String) -> Float {
        name == "\(GoldenMetaQuery.stableDiffusion)/two_images" ? 1e-4 : 5e-5
    }

    @Test(arguments: GoldenMetaQuery.drawings) func conditions_equalTheReference(name: String) throws {
        let golden = try GoldenMetaQuery.golden(name)
        let pipeline = try GoldenMetaQuery.pipeline(golden.metaQueryModel)
        var run = try pipeline.drawing(golden.metaQueryRequest())
        let rows = try rows(golden, run.readers)
        let (ids, length) = (try golden.integers("input_ids"), try golden.integer("padded_length"))
        let mask = try golden.integers("attention_mask")
        for (reader, row) in zip(run.readers, rows) {
            let places = (row * length)..<((row + 1) * length)
            let expected = zip(ids[places], mask[places]).filter { $0.1 == 1 }.map { $0.0 }
            let prompt = try pipeline.model.prompt(of: reader.branch)
            // The reference also reads the end of the picture and of the reply.
            let ids = prompt.ids(pipeline.model.conditioner.front)
            #expect(ids == Array(expected.dropLast(2)), "row \(row) of \(name)")

            let features = try prompt.inputs.map { try pipeline.model.conditioner.features(of: $0) }
            let hidden = pipeline.model.conditioner.read(prompt, features: features)
            let normalized = pipeline.model.conditioner.text.normalized(hidden)
            let queries = normalized.reshaped([prompt.count, normalized.shape[2]])[
                (prompt.count - pipeline.model.config.queries)..<prompt.count
            ]
            let deviation = deviation(queries, from: try golden.tensor("query_hidden"), row: row)
            #expect(deviation < tolerance(name), "query_hidden[\(row)] of \(name) is off by \(deviation) × scale")
        }
        while run.rendering == nil { #expect(try run.advance() == nil) }
        for (reader, row) in zip(run.readers, rows) {
            let condition = try #require(reader.condition)
            let deviation = deviation(condition, from: try golden.tensor("connector_output"), row: row)
            #expect(deviation < tolerance(name), "connector_output[\(row)] of \(name) is off by \(deviation) × scale")
        }
    }

    @Test(arguments: GoldenMetaQuery.drawings) func pictures_equalTheReference(name: String) throws {
        let golden = try GoldenMetaQuery.golden(name)
        let pipeline = try GoldenMetaQuery.pipeline(golden.metaQueryModel)
        let request = try golden.metaQueryRequest()
        var run = try pipeline.run(for: .generation(request))
        let pictures = try run.pictures()
        #expect(pictures.count == request.count && run.progress.fraction == 1)
        #expect(pictures.map(\.seed) == (0..<request.count).map { request.seed + UInt64($0) })
        #expect(pipeline.description.defaults.size == (try golden.pictureSize))
        // The others of the reference come from the first one's generator.
        let file = try #require((golden.json["expected_images"] as? [String])?.first)
        try pictures[0].image.expectEqual(to: golden.folder.appending(path: file))
    }

    /// Torchvision's Resize and CenterCrop, then the model's own processor.
    @Test(
        .enabled(if: GoldenMetaQuery.isHere, "needs the full golden data: TRIPTYCH_GOLDENS"),
        arguments: ["edit", "two_images"]
    )
    func conditioningPicture_equalsTheReference(name: String) throws {
        let golden = try GoldenMetaQuery.golden("\(GoldenMetaQuery.sana)/\(name)")
        let model = try GoldenMetaQuery.pipeline(GoldenMetaQuery.sana).model
        let picture = try #require(golden.metaQueryRequest().images.last)
        let front = try #require(model.conditioner.front as? LLaVAFront)
        let tiles = front.imageProcessor.tiles(of: try model.conditioningPicture(picture))
        let values = Tensor.concatenated(tiles.map(front.imageProcessor.pixelValues), axis: 0)
        let expected = try golden.tensor("pixel_values_last_row").permuted([0, 2, 3, 1])
        #expect(values.shape == expected.shape)
        #expect(zip(values.array, expected.array).allSatisfy { abs($0 - $1) < 1e-5 })
    }

    /// The base is frozen, and its weights are there once: it answers as it does alone.
    @Test(arguments: GoldenMetaQuery.chats) func chat_equalsTheBaseModelAlone(name: String) throws {
        let golden = try GoldenMetaQuery.golden(name)
        let request = ChatRequest(turns: try golden.conversation(), maxTokens: try golden.integer("max_new_tokens"))
        var run = try GoldenMetaQuery.pipeline(golden.metaQueryModel).run(for: .chat(request))
        let (replies, usage) = try run.replies()
        let reply = try #require(replies.first)
        let ids = try golden.integers("generated_ids")
        #expect(reply.tokenIDs == (reply.finishReason == .stop ? Array(ids.dropLast()) : ids))
        #expect(usage.inputTokens == (try golden.integer("num_input_tokens")))
    }
}
