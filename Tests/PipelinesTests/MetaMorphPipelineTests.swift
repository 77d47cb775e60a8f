import Foundation
import GoldenData
import Images
import Networks
import Tensors
import Testing
import Tokenizers

@testable import Pipelines

@Suite struct MetaMorphPipelineTests {
    private let picture = PixelImage(width: 20, height: 10, pixels: (0..<600).map { UInt8($0 * 37 % 256) })

    private func generation(images: [PixelImage] = []) -> GenerationRequest {
        GenerationRequest(prompt: "a cat on a red mat.", images: images, seed: 4242, steps: 2)
    }

    // MARK: Requests

    @Test func generation_rendersTheFirstPictureOftenEnough() throws {
        let pipeline = try GoldenMetaMorph.pipeline("checkpoint_metamorph_b")
        var request = generation()
        request.count = 3
        var together = try pipeline.drawing(request)
        let batch = try together.pictures()
        #expect(batch.map(\.seed) == [4242, 4243, 4244])
        #expect(together.decoding.transcript.pictures.count == 1)
        for drawn in batch {
            request.count = 1
            request.seed = drawn.seed
            var alone = try GoldenMetaMorph.pipeline("checkpoint_metamorph_b").drawing(request)
            #expect(try alone.pictures() == [drawn])
        }
    }

    @Test func renderingAgain_neverRunsTheLanguageModelAgain() throws {
        let pipeline = try GoldenMetaMorph.pipeline()
        var request = generation(images: [picture])
        var first = try pipeline.drawing(request)
        let expected = try first.finish()
        var again = try pipeline.drawing(request)
        #expect(again.progress.stage == .denoise)
        #expect(try again.finish() == expected)
        request.seed = 1
        request.count = 2
        request.guidanceScale = 3
        request.steps = 3
        #expect(try pipeline.drawing(request).progress.stage == .denoise)
        request.size = PictureSize(width: 40, height: 16)
        var wide = try pipeline.drawing(request)
        #expect(wide.progress.stage == .denoise)
        #expect(try wide.pictures().allSatisfy { $0.image.width == 40 && $0.image.height == 16 })
        for changed in [generation(), generation(images: [picture, picture])] {
            #expect(try pipeline.drawing(changed).progress.stage != .denoise)
        }
    }

    @Test func severalReplies_haveOneTextAndPicturesOfTheirOwn() throws {
        var request = GoldenMetaMorph.chat()
        request.count = 2
        var run = try GoldenMetaMorph.pipeline().run(for: .chat(request))
        var news: [ReplyNews] = []
        var result: RunResult?
        while result == nil {
            result = try run.advance()
            news += run.news
        }
        guard case .replies(let replies, _) = result else { throw NoSuchResult() }
        #expect(replies.count == 2 && replies[0].tokenIDs == replies[1].tokenIDs)
        let pictures = replies.map {
            $0.parts.compactMap { if case .picture(let picture) = $0 { picture } else { nil } }
        }
        #expect(pictures.map { $0.map(\.seed) } == [[5], [6]])
        #expect(pictures[0][0].image != pictures[1][0].image)
        for choice in 0..<2 {
            let told = news.filter { $0.choice == choice }.compactMap { item -> String? in
                if case .text(let text, _) = item.content { text } else { nil }
            }
            let texts = replies[choice].parts.compactMap { if case .text(let text) = $0 { text } else { nil } }
            #expect(told.joined() == texts.joined() && !texts.isEmpty)
        }
    }

    @Test func pictureThatWasForced_isMarked() throws {
        // A question that the tiny model answers without a picture.
        var pipeline = try GoldenMetaMorph.pipeline()
        let turn = try GoldenMetaMorph.golden("understand").turn()
        var run = try pipeline.drawing(
            GenerationRequest(prompt: turn.text, images: turn.images, seed: 1, steps: 1)
        )
        let pictures = try run.pictures()
        #expect(pictures.map(\.isForced) == [true])
        #expect(run.decoding.transcript.ids.last == 650)
        pipeline = try GoldenMetaMorph.pipeline()
        var willing = try pipeline.drawing(generation())
        #expect(try willing.pictures().map(\.isForced) == [false])
    }

    @Test func textAlone_isRepliedWithoutPictures() throws {
        var request = GoldenMetaMorph.chat()
        request.modalities = [.text]
        let reply = try GoldenMetaMorph.pipeline().reply(to: request)
        #expect(reply.parts.count == 1 && !reply.tokenIDs.contains(650))
        request.modalities = [.image]
        #expect(throws: PipelineError.self) { try GoldenMetaMorph.pipeline().run(for: .chat(request)) }
    }

    @Test func stopString_endsTheReplyBeforeIt() throws {
        let pipeline = try GoldenMetaMorph.pipeline("checkpoint_metamorph_b")
        var request = GoldenMetaMorph.chat()
        request.stop = ["quxp"]
        for _ in 0..<2 {
            let reply = try pipeline.reply(to: request)
            #expect(reply.finishReason == .stop)
            let kinds = reply.parts.map { if case .text = $0 { "text" } else { "picture" } }
            #expect(kinds.starts(with: ["text", "picture"]))
            #expect(kinds.count { $0 == "picture" } == 1)
            #expect(reply.parts.allSatisfy { if case .text(let text) = $0 { !text.contains("q") } else { true } })
        }
    }

    @Test func sampling_dependsOnTheSeedAlone() throws {
        func text(_ seed: UInt64) throws -> ChatReply {
            var request = GoldenMetaMorph.chat()
            request.sampling = TokenSampling(temperature: 1.5, topP: 0.95, topK: 100)
            request.seed = seed
            request.maxTokens = 12
            return try GoldenMetaMorph.pipeline().reply(to: request)
        }
        #expect(try text(1) == text(1))
        #expect(try text(1).tokenIDs != text(2).tokenIDs)
    }

    // MARK: Bad requests

    @Test(arguments: [
        "prompt", "n", "size", "num_inference_steps", "guidance_scale", "negative_prompt", "image_guidance_scale",
        "images",
    ])
    func generation_errorsNameTheField(field: String) throws {
        let pipeline = try GoldenMetaMorph.pipeline()
        var request = generation()
        switch field {
        case "prompt": request.prompt = ""
        case "n": request.count = 9
        case "size": request.size = PictureSize(width: 44, height: 32)
        case "num_inference_steps": request.steps = 0
        case "guidance_scale": request.guidanceScale = -1
        case "negative_prompt": request.negativePrompt = "blurry"
        case "image_guidance_scale":
            request.images = [picture]
            request.imageGuidanceScale = 1.5
        default: request.images = Array(repeating: picture, count: 63)
        }
        let error = #expect(throws: PipelineError.self) { try pipeline.run(for: .generation(request)) }
        guard case .invalidRequest(let named, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(named == field)
    }

    @Test func steps_beyondTheScheduleAreRefused() throws {
        var request = generation()
        request.steps = 1000
        let pipeline = try GoldenMetaMorph.pipeline()
        // Both outcomes are fine, but not a trap.
        do { _ = try pipeline.run(for: .generation(request)) } catch is PipelineError {}
    }
}
