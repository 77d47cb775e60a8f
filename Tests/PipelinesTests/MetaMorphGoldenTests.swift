import Foundation
import GoldenData
import Images
import Networks
import Tensors
import Testing
import Tokenizers

@testable import Pipelines

/// Pictures and replies of the reference, through the pipeline.
@Suite struct MetaMorphGoldenTests {
    private func expect(_ pictures: [GeneratedPicture], equal golden: GoldenCase) throws {
        #expect(pictures.count == 1)
        try #require(pictures.first).image.expectEqual(to: golden.folder.appending(path: "expected.png"))
    }

    @Test func picture_equalsTheReference() throws {
        let golden = try GoldenMetaMorph.golden("visualize_text_to_image")
        let request = GenerationRequest(
            prompt: "a cat on a red mat.",
            seed: UInt64(try golden.integer("seed")),
            steps: try golden.integer("steps"),
            guidanceScale: try golden.number("guidance_scale")
        )
        var run = try GoldenMetaMorph.pipeline().drawing(request)
        while run.rendering == nil { #expect(try run.advance() == nil) }
        let drawn = run.decoding.transcript.pictures[0].tokens.values
        #expect(deviation(drawn, from: try golden.tensor("visual_embeds").array) < 5e-5)
        let pictures = try run.pictures()
        try expect(pictures, equal: golden)
        #expect(run.progress.fraction == 1)
    }

    @Test func transformedPicture_equalsTheReference() throws {
        let golden = try GoldenMetaMorph.golden("visualize_transform")
        let turn = try GoldenMetaMorph.golden("transform").turn()
        let request = GenerationRequest(
            prompt: turn.text,
            images: turn.images,
            seed: UInt64(try golden.integer("seed")),
            steps: try golden.integer("steps"),
            guidanceScale: try golden.number("guidance_scale")
        )
        var run = try GoldenMetaMorph.pipeline().drawing(request)
        try expect(run.pictures(), equal: golden)
    }

    @Test(arguments: GoldenMetaMorph.reading + GoldenMetaMorph.drawing)
    func answer_equalsTheReference(name: String) throws {
        let golden = try GoldenMetaMorph.golden(name)
        let turn = try golden.turn()
        var run = try GoldenMetaMorph.pipeline(golden.checkpoint()).run(
            for: .answer(AnswerRequest(question: turn.text, images: turn.images, maxTokens: golden.tokenLimit()))
        )
        let answer = try run.answer()
        #expect(answer.text == (try golden.string("expected_text")))
        let ids = try golden.integers("generated_ids")
        #expect(answer.tokenIDs == (answer.finishReason == .stop ? Array(ids.dropLast()) : ids))
    }

    @Test func reply_holdsTextAndPicturesInTheirOrder() throws {
        let pipeline = try GoldenMetaMorph.pipeline("checkpoint_metamorph_b")
        var request = GoldenMetaMorph.chat()
        request.rendering.guidanceScales = [6, 7.5]
        let reply = try pipeline.reply(to: request)
        let kinds = reply.parts.map { if case .text = $0 { "text" } else { "picture" } }
        #expect(kinds == ["text", "picture", "picture", "text", "picture", "picture", "text"])
        #expect(reply.finishReason == .stop)
        let texts = reply.parts.compactMap { if case .text(let text) = $0 { text } else { nil } }
        let expected = try GoldenMetaMorph.golden("text_to_image_b").string("expected_text")
        #expect(texts.joined() == expected)
        let pictures = reply.parts.compactMap { if case .picture(let picture) = $0 { picture } else { nil } }
        #expect(pictures.allSatisfy { $0.seed == 5 && !$0.isForced })
        #expect(pictures[0] != pictures[1])

        // Alone at one scale, with the same visual tokens: the same picture.
        request.rendering.guidanceScales = [7.5]
        let other = try pipeline.reply(to: request)
        #expect(other.parts.contains(.picture(pictures[1])))
    }

    @Test func news_tellTheWholeReply() throws {
        let pipeline = try GoldenMetaMorph.pipeline("checkpoint_metamorph_b")
        var request = GoldenMetaMorph.chat()
        request.topLogProbabilities = 2
        // The second time everything comes out of the cache.
        for _ in 0..<2 {
            var run = try pipeline.run(for: .chat(request))
            var news: [ReplyNews] = []
            var result: RunResult?
            while result == nil {
                result = try run.advance()
                news += run.news
            }
            guard case .replies(let replies, let usage) = result else { throw NoSuchResult() }
            let reply = try #require(replies.first)
            var parts: [ChatReply.Part] = []
            var scores: [TokenScore] = []
            for item in news {
                switch item.content {
                case .picture(let picture): parts.append(.picture(picture))
                case .text(let text, let told):
                    scores += told
                    if case .text(let before)? = parts.last {
                        parts[parts.count - 1] = .text(before + text)
                    } else if !text.isEmpty {
                        parts.append(.text(text))
                    }
                }
            }
            #expect(parts == reply.parts)
            #expect(scores == reply.scores)
            #expect(scores.count == reply.tokenIDs.count && scores.allSatisfy { $0.top.count == 2 })
            #expect(usage == TokenUsage(inputTokens: 35, outputTokens: 144))
        }
    }
}
