import Checkpoints
import Foundation
import GoldenData
import Images
import Networks
import Tensors
import Testing
import Tokenizers

@testable import Pipelines

@Suite(
    .enabled(
        if: GoldenData.isHere(GoldenMultimodalLLM.oneVision) && GoldenData.isHere(GoldenMultimodalLLM.next),
        "needs the full golden data: TRIPTYCH_GOLDENS"
    )
)
struct MultimodalLLMTests {
    private func golden(_ name: String) throws -> GoldenCase {
        try GoldenCase("\(GoldenMultimodalLLM.oneVision)/cases/\(name)")
    }

    // MARK: Replies

    @Test(arguments: GoldenMultimodalLLM.chats) func reply_isTheReferences(name: String) throws {
        let golden = try golden(name)
        let model = try GoldenMultimodalLLM.model(GoldenMultimodalLLM.oneVision)
        var run = try model.replying(ChatRequest(turns: golden.conversation(), maxTokens: 24))
        let reply = try run.replies().replies[0]
        let ids = try golden.integers("generated_ids")
        let end = ids.firstIndex(where: model.endTokens.contains)
        #expect(reply.tokenIDs == Array(ids[..<(end ?? ids.count)]))
        #expect(reply.finishReason == (end == nil ? .length : .stop))
        #expect(run.progress.stage == .finished && run.progress.step == run.progress.steps)
    }

    @Test func reply_goesOnFromAnyStep() throws {
        let model = try GoldenMultimodalLLM.model(GoldenMultimodalLLM.oneVision)
        let sampling = TokenSampling(temperature: 1, topP: 0.9)
        let turns = try golden("chat_image0").conversation()
        let request = ChatRequest(turns: turns, maxTokens: 6, sampling: sampling, seed: 3, topLogProbabilities: 2)
        var whole = try model.replying(request)
        let expected = try whole.replies().replies[0]
        // The picture has been read by now: one step for the text behind it, then one a token.
        for steps in [0, 1, 3, 5] {
            var first = try model.replying(request)
            for _ in 0..<steps { #expect(try first.advance() == nil) }
            var second = try model.replying(request)
            try second.restore(first.archivedState())
            #expect(try second.replies().replies[0] == expected, "\(steps) steps")
        }
        var other = request
        other.seed = 4
        var stranger = try model.replying(other)
        #expect(throws: PipelineError.self) { try stranger.restore(whole.archivedState()) }
    }

    @Test func secondQuestion_startsAtTheText() throws {
        let picture = try #require(golden("chat_image0").conversation().first?.images.first)
        let other = PixelImage(width: 60, height: 60, color: .white)
        func ask(_ model: MultimodalLLM, _ turns: [ChatTurn]) throws -> (steps: Int, scores: [TokenScore]) {
            var run = try model.replying(ChatRequest(turns: turns, maxTokens: 1, topLogProbabilities: 5))
            var steps = 0
            while true {
                steps += 1
                guard let result = try run.advance() else { continue }
                guard case .replies(let replies, _) = result else { throw NoSuchResult() }
                return (steps, try #require(replies[0].scores))
            }
        }
        let model = try GoldenMultimodalLLM.model(GoldenMultimodalLLM.oneVision)
        let fresh = { try GoldenMultimodalLLM.model(GoldenMultimodalLLM.oneVision) }
        let parts = model.front.partCount(of: .picture(picture))

        let first = [ChatTurn(.user, "What?", images: [picture])]
        #expect(try ask(model, first).steps == parts + 2)
        let second = [ChatTurn(.user, "Where?", images: [picture])]
        let answer = try ask(model, second)
        #expect(answer.steps == 1)
        #expect(try answer.scores == ask(fresh(), second).scores)

        // What follows the picture may have pictures of its own.
        let third = second + [ChatTurn(.assistant, "Here."), ChatTurn(.user, "And here?", images: [other])]
        let reply = try ask(model, third)
        #expect(reply.steps == 1 + model.front.partCount(of: .picture(other)) + 2)
        #expect(try reply.scores == ask(fresh(), third).scores)
        #expect(model.prefixes.count == 2 && model.features.count == 2)

        // Another picture before the same text is another prompt.
        let stranger = [ChatTurn(.user, "Where?", images: [other])]
        #expect(try ask(model, stranger).scores == ask(fresh(), stranger).scores)
    }

    // MARK: Prompts

    @Test func severalPictures_standWhereTheTemplatePutsThem() throws {
        let model = try GoldenMultimodalLLM.model(GoldenMultimodalLLM.oneVision)
        let images = [
            PixelImage(width: 60, height: 60, color: .white), PixelImage(width: 120, height: 60, color: .black),
        ]
        let prompt = try model.prompt(of: [ChatTurn(.user, "Which?", images: images)], field: "messages")
        let counts = try images.map { try model.front.rowCount(of: .picture($0), field: "messages") }
        let ids = prompt.ids(model.front)
        #expect(ids.count { $0 == model.front.pictureToken } == counts.reduce(0, +))
        #expect(prompt.inputs == images.map(VisualInput.picture) && prompt.count == ids.count)
        let start = try #require(ids.firstIndex { $0 == model.front.pictureToken })
        #expect(ids[start..<(start + counts[0] + counts[1])].allSatisfy { $0 == model.front.pictureToken })
    }

    @Test func video_isReadFrameByFrame() throws {
        let model = try GoldenMultimodalLLM.model(GoldenMultimodalLLM.oneVision)
        let frames = [RGBColor.white, .black, .white].map { PixelImage(width: 50, height: 20, color: $0) }
        let video = VisualInput.video(frames, framesPerSecond: 1)
        let segments = try model.template.render(
            [ChatMessage(.user, [.video, .text("What?")])],
            bosToken: nil,
            addGenerationPrompt: true
        )
        let prompt = try model.prompt(segments, [video], field: "messages")
        // Four patches a side become two, and a newline ends the video.
        let features = try model.features(of: video)
        #expect(features.shape == [3 * 4 + 1, 128])
        #expect(prompt.ids(model.front).count { $0 == model.front.videoToken } == 13)
        #expect(features[0..<4].array == features[8..<12].array && features[0..<4].array != features[4..<8].array)
        let hidden = model.read(prompt, features: [features])
        #expect(hidden.shape == [1, prompt.count, 128] && hidden.array.allSatisfy { $0.isFinite })
    }

    @Test func longPrompts_areReadInPasses() throws {
        let model = try GoldenMultimodalLLM.model(GoldenMultimodalLLM.next)
        let text = String(repeating: "word ", count: 300)
        let picture = PixelImage(width: 42, height: 84, color: .white)
        let prompt = try model.prompt(of: [ChatTurn(.user, text, images: [picture])], field: "messages")
        #expect(prompt.sequence.passes.count > 1)
        let features = try prompt.inputs.map { try model.features(of: $0) }
        let hidden = model.read(prompt, features: features)
        // In one pass.
        var caches = [model.text.config.cache()]
        let rows = prompt.sequence.passes.flatMap { $0 }.map { piece -> Tensor in
            switch piece {
            case .tokens(let ids): model.text.embedded([ids])
            case .source(let index, let range): features[index][range].reshaped([1, range.count, 96])
            case .drawn: .zeros([1, 0, 96])
            }
        }
        let whole = model.text(.concatenated(rows, axis: 1), caches: &caches)
        #expect(deviation(hidden, from: whole) < 1e-5)
    }

    @Test func prompts_mustFitTheModel() throws {
        let model = try GoldenMultimodalLLM.model(GoldenMultimodalLLM.next)
        let text = String(repeating: "x\n", count: 8192)
        let error = #expect(throws: PipelineError.self) {
            try model.prompt(of: [ChatTurn(.user, text)], field: "messages")
        }
        #expect(error?.description.contains("the model holds 8192") == true)
    }

    // MARK: Folder

    @Test(arguments: [
        ("config.json", "llava_onevision", "llava_one", "model_type"),
        ("config.json", "703", "704", "<image> is not the token 704"),
        ("config.json", "\"vocab_size\": 729", "\"vocab_size\": 705", "embed_tokens"),
        ("config.json", "\"video_token_index\": 704", "\"video_token_index\": 9", "<video> is not the token 9"),
        ("preprocessor_config.json", "LlavaOnevisionImageProcessor", "CLIPImageProcessor", "image_processor_type"),
        ("preprocessor_config.json", "240", "120", "image_grid_pinpoints: are not those of config.json"),
    ])
    func folder_problemsAreNamed(file: String, text: String, other: String, reason: String) throws {
        let problem = try GoldenMultimodalLLM.problem(GoldenMultimodalLLM.oneVision, in: file, text, other)
        #expect(problem.contains(reason), "\(problem)")
    }

    @Test func endTokens_areThoseOfGeneration() throws {
        let set = GoldenMultimodalLLM.oneVision
        #expect(try GoldenMultimodalLLM.model(set).endTokens == [700, 702])
        for (json, expected) in [(#"{"eos_token_id": 5}"#, [5] as Set), ("{}", [702])] {
            try GoldenMultimodalLLM.withFolder(set, changing: "generation_config.json", { _ in json }) { folder in
                let found = try folder.model().endTokens
                #expect(found == expected)
            }
        }
    }
}
