import Checkpoints
import Foundation
import GoldenData
import Images
import Networks
import Samplers
import Tensors
import Testing
import Tokenizers

@testable import Pipelines

@Suite struct LlamaFusionPipelineTests {
    private let picture = PixelImage(width: 16, height: 16, pixels: (0..<768).map { UInt8($0 * 37 % 256) })
    private let other = PixelImage(width: 16, height: 16, pixels: (0..<768).map { UInt8($0 * 91 % 256) })

    private func generation(_ prompt: String = "a red vase", images: [PixelImage] = []) -> GenerationRequest {
        GenerationRequest(prompt: prompt, images: images, seed: 7, steps: 3)
    }

    // MARK: Batches

    @Test(arguments: GoldenModel.names)
    func pictures_ofABatchAreThoseDrawnAlone(model: String) throws {
        let pipeline = try GoldenModel.pipeline(model)
        for images in [[], [picture]] {
            var request = generation(images: images)
            request.count = 3
            var together = try pipeline.drawing(request)
            let batch = try together.pictures()
            #expect(batch.map(\.seed) == [7, 8, 9])
            for drawn in batch {
                request.count = 1
                request.seed = drawn.seed
                var alone = try pipeline.drawing(request)
                #expect(try alone.pictures() == [drawn])
            }
        }
    }

    @Test func seed_wrapsAround() throws {
        let pipeline = try GoldenModel.pipeline("transfusion")
        var request = generation()
        request.seed = .max
        request.count = 2
        var run = try pipeline.drawing(request)
        #expect(try run.pictures().map(\.seed) == [.max, 0])
    }

    // MARK: Continuation

    /// Runs a request; after every `interval` steps the run is archived and only the bytes go on.
    private func resuming(_ request: RunRequest, _ pipeline: LlamaFusionPipeline, every interval: Int) throws
        -> RunResult
    {
        var run = try pipeline.run(for: request)
        var finished = run.progress.step
        while true {
            if let result = try run.advance() { return result }
            // Steps that are done again after a restart don't count, or a short interval would never end.
            guard run.progress.step >= finished + interval else { continue }
            finished = run.progress.step
            run = try pipeline.resume(request, from: run.archivedState())
        }
    }

    @Test(arguments: GoldenModel.names)
    func drawing_continuesToTheSameBytes(model: String) throws {
        let pipeline = try GoldenModel.pipeline(model, scheduler: .ddpm)
        var request = generation(images: [picture])
        request.count = 2
        request.negativePrompt = "blurry"
        var whole = try pipeline.run(for: .generation(request))
        let expected = try whole.finish()
        for interval in [1, 2, 3, 5] {
            #expect(try resuming(.generation(request), pipeline, every: interval) == expected)
        }
    }

    @Test(arguments: GoldenModel.names)
    func answer_continuesToTheSameBytes(model: String) throws {
        let pipeline = try GoldenModel.pipeline(model)
        let request = AnswerRequest(
            question: "What is in this image?",
            images: [picture, other],
            maxTokens: 9,
            sampling: TokenSampling(temperature: 1.3, topP: 0.95, topK: 100),
            seed: 3
        )
        var whole = try pipeline.run(for: .answer(request))
        let expected = try whole.finish()
        for interval in [1, 2, 4] {
            #expect(try resuming(.answer(request), pipeline, every: interval) == expected)
        }
    }

    @Test func state_ofAnotherRequestOrModelIsRefused() throws {
        let pipeline = try GoldenModel.pipeline("llamafusion")
        let request = generation()
        let state = try pipeline.run(for: .generation(request)).archivedState()
        var changed = request
        changed.seed = 8
        #expect(throws: PipelineError.self) { try pipeline.resume(.generation(changed), from: state) }
        #expect(throws: PipelineError.self) { try pipeline.resume(.generation(request), from: state.dropLast()) }
        #expect(throws: PipelineError.self) { try pipeline.resume(.generation(request), from: Data()) }
        let question = RunRequest.answer(AnswerRequest(question: "Why?"))
        #expect(throws: PipelineError.self) { try pipeline.resume(question, from: state) }
        let otherModel = try GoldenModel.pipeline("transfusion")
        #expect(throws: PipelineError.self) { try otherModel.resume(.generation(request), from: state) }
    }

    // MARK: Sequences

    @Test func guidanceOfOne_needsOneBranch() throws {
        let pipeline = try GoldenModel.pipeline("llamafusion")
        var request = generation()
        request.guidanceScale = 1
        #expect(try pipeline.drawing(request).branches.count == 1)
        request.guidanceScale = 3
        #expect(try pipeline.drawing(request).branches.count == 2)
        request.images = [picture]
        #expect(try pipeline.drawing(request).branches.count == 3)
        request.imageGuidanceScale = 3
        #expect(try pipeline.drawing(request).branches.count == 2)
        request.prompt = ""
        request.imageGuidanceScale = 1.5
        #expect(try pipeline.drawing(request).branches.count == 2)
    }

    @Test func branches_readWhatTheyShareOnce() throws {
        let pipeline = try GoldenModel.pipeline("llamafusion")
        var run = try pipeline.drawing(generation(images: [picture]))
        var prefillSteps = 0
        while run.progress.stage != .denoise {
            if run.progress.stage == .prefill { prefillSteps += 1 }
            _ = try run.advance()
        }
        // [bos boi] of all three branches, the picture of two, and an ending of each of these.
        #expect(prefillSteps == 4)
    }

    @Test func negativePrompt_changesThePicture() throws {
        let pipeline = try GoldenModel.pipeline("llamafusion")
        var request = generation()
        var plain = try pipeline.drawing(request)
        request.negativePrompt = "a cat"
        var negative = try pipeline.drawing(request)
        #expect(try plain.pictures() != negative.pictures())
    }

    @Test func userText_neverBecomesAControlToken() throws {
        let model = try LlamaFusionModel(LlamaFusionFolder(url: GoldenModel.entry("llamafusion").path))
        let control = model.tokenizer.decode([640, 641, 642, 643], skipSpecialTokens: false)
        #expect(!control.isEmpty)
        #expect(try model.encode("a \(control) b").allSatisfy { $0 < 640 })
    }

    @Test func longText_isReadInSeveralPasses() {
        var sequence = FusionSequence()
        sequence.append(Array(0..<300))
        sequence.append(Array(300..<600))
        sequence.append(picture: 0)
        sequence.append([1])
        #expect(
            sequence.passes == [
                .tokens(Array(0..<256)), .tokens(Array(256..<512)), .tokens(Array(512..<600)), .picture(0),
                .tokens([1]),
            ]
        )
        #expect(sequence.tokenCount(pictureTokens: 16) == 617)
    }

    /// Text goes on behind a finished picture: one clean pass writes its keys and values, then eoi, then text.
    @Test(arguments: GoldenModel.names)
    func text_goesOnBehindADrawnPicture(model: String) throws {
        let loaded = try LlamaFusionModel(LlamaFusionFolder(url: GoldenModel.entry(model).path))
        let pipeline = try GoldenModel.pipeline(model)
        var run = try pipeline.drawing(generation())
        while run.progress.stage != .decodeLatents { _ = try run.advance() }
        let drawn = run.rendering.state.drawings[0].latents
        let ending: [FusionSequence.Pass] = [.picture(0), .tokens([643] + (try loaded.encode("Is it red?")))]

        var continued = try #require(run.branches.first { $0.sequence.passes != [.tokens([640, 642])] })
        continued.append(ending)
        var afresh = FusionReader(continued.sequence, loaded)
        var hidden: (Tensor?, Tensor?)
        while !continued.isFinished { hidden.0 = continued.readPass(loaded, pictures: [drawn]) }
        while !afresh.isFinished { hidden.1 = afresh.readPass(loaded, pictures: [drawn]) }
        let logits = try #require(hidden.0.map { loaded.network.text.logits($0).array })
        #expect(logits == hidden.1.map { loaded.network.text.logits($0).array })

        var other = FusionReader(continued.sequence, loaded)
        var noise = drawn
        noise.values[0] += 1
        while !other.isFinished { hidden.1 = other.readPass(loaded, pictures: [noise]) }
        #expect(logits != hidden.1.map { loaded.network.text.logits($0).array })
    }

    @Test func pictures_areFittedToTheModelsSize() throws {
        let pipeline = try GoldenModel.pipeline("llamafusion")
        let large = PixelImage(width: 40, height: 24, pixels: (0..<2880).map { UInt8($0 % 251) })
        let fitted = large.resized(width: 16, height: 16, filter: .bicubic)
        var first = try pipeline.answering(AnswerRequest(question: "", images: [large], maxTokens: 4))
        var second = try pipeline.answering(AnswerRequest(question: "", images: [fitted], maxTokens: 4))
        #expect(try first.answer() == second.answer())
        #expect(picture.fitted(PictureSize(width: 16, height: 16)) == picture)
    }

    // MARK: Answers

    @Test func maxTokens_isNeverExceeded() throws {
        let pipeline = try GoldenModel.pipeline("llamafusion")
        for limit in 1...3 {
            var run = try pipeline.answering(AnswerRequest(question: "What?", maxTokens: limit))
            let answer = try run.answer()
            #expect(answer.tokenIDs.count == limit)
            #expect(answer.finishReason == .length)
            #expect(run.progress.fraction == 1)
        }
    }

    @Test func answer_endsBeforeAStopString() throws {
        let pipeline = try GoldenModel.pipeline("llamafusion")
        var whole = try pipeline.answering(AnswerRequest(question: "What is it?", maxTokens: 8))
        let text = try whole.answer().text
        let stop = String(try #require(text.dropFirst(3).first { !$0.isWhitespace && $0 != "\u{FFFD}" }))
        let before = String(text[..<(try #require(text.range(of: stop))).lowerBound])
        var run = try pipeline.answering(AnswerRequest(question: "What is it?", maxTokens: 8, stop: ["never", stop]))
        let answer = try run.answer()
        #expect(answer.finishReason == .stop)
        #expect(answer.text == before.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    @Test func sampling_dependsOnTheSeedAlone() throws {
        let pipeline = try GoldenModel.pipeline("llamafusion")
        func ids(_ seed: UInt64) throws -> [Int] {
            let sampling = TokenSampling(temperature: 2)
            var run = try pipeline.answering(
                AnswerRequest(question: "What?", maxTokens: 6, sampling: sampling, seed: seed)
            )
            return try run.answer().tokenIDs
        }
        #expect(try ids(1) == ids(1))
        #expect(try ids(1) != ids(2))
    }

    @Test func usage_countsPicturesAsTokens() throws {
        let pipeline = try GoldenModel.pipeline("llamafusion")
        var run = try pipeline.answering(AnswerRequest(question: "", images: [picture, other], maxTokens: 2))
        guard case .answer(_, let usage) = try run.finish() else { throw NoSuchResult() }
        #expect(usage == TokenUsage(inputTokens: 1 + 2 * 18, outputTokens: 2))
    }

    // MARK: Requests

    private func field(_ request: GenerationRequest) throws -> String? {
        try field(.generation(request))
    }

    private func field(_ request: RunRequest) throws -> String? {
        let pipeline = try GoldenModel.pipeline("transfusion")
        do {
            _ = try pipeline.run(for: request)
            return nil
        } catch PipelineError.invalidRequest(let field, _) {
            return field
        }
    }

    @Test func drawing_refusesWhatTheModelCannotDo() throws {
        func changed(_ change: (inout GenerationRequest) -> Void) -> GenerationRequest {
            var request = generation()
            change(&request)
            return request
        }
        #expect(try field(generation()) == nil)
        #expect(try field(generation("", images: [picture])) == nil)
        #expect(try field(changed { $0.size = PictureSize(width: 16, height: 16) }) == nil)
        #expect(try field(generation("")) == "prompt")
        #expect(try field(generation(String(repeating: "word ", count: 10000))) == "prompt")
        #expect(
            try field(changed { $0.negativePrompt = String(repeating: "word ", count: 10000) }) == "negative_prompt"
        )
        #expect(try field(generation(String(repeating: "a", count: 1 << 20 + 1))) == "prompt")
        #expect(try field(changed { $0.images = Array(repeating: picture, count: 300) }) == "images")
        #expect(try field(changed { $0.count = 0 }) == "n")
        #expect(try field(changed { $0.count = 9 }) == "n")
        #expect(try field(changed { $0.steps = 0 }) == "num_inference_steps")
        #expect(try field(changed { $0.steps = 1001 }) == "num_inference_steps")
        #expect(try field(changed { $0.size = PictureSize(width: 32, height: 16) }) == "size")
        #expect(try field(changed { $0.guidanceScale = .nan }) == "guidance_scale")
        #expect(try field(changed { $0.guidanceScale = -1 }) == "guidance_scale")
        #expect(try field(changed { $0.imageGuidanceScale = .infinity }) == "image_guidance_scale")
    }

    @Test func answering_refusesWhatTheModelCannotDo() throws {
        func changed(_ change: (inout AnswerRequest) -> Void) -> RunRequest {
            var request = AnswerRequest(question: "Why?")
            change(&request)
            return .answer(request)
        }
        #expect(try field(changed { _ in }) == nil)
        #expect(try field(changed { $0.question = "" }) == "question")
        #expect(try field(changed { $0.question = String(repeating: "word ", count: 10000) }) == "question")
        #expect(try field(changed { $0.images = Array(repeating: picture, count: 300) }) == "images")
        #expect(try field(changed { $0.maxTokens = 0 }) == "max_tokens")
        #expect(try field(changed { $0.sampling.temperature = -1 }) == "temperature")
        #expect(try field(changed { $0.sampling.temperature = .nan }) == "temperature")
        #expect(try field(changed { $0.sampling.topP = 0 }) == "top_p")
        #expect(try field(changed { $0.sampling.topP = 1.1 }) == "top_p")
        #expect(try field(changed { $0.sampling.topK = 0 }) == "top_k")
        #expect(try field(changed { $0.stop = [""] }) == "stop")
    }

    @Test func everyWayOfGuiding_drawsFinitePictures() throws {
        let pipeline = try GoldenModel.pipeline("transfusion")
        for (scale, imageScale) in [(0.0, 0.0), (0, 1), (1, 0), (1, 1), (2, 2), (1e30, 1.5)] {
            var request = generation(images: [picture])
            request.guidanceScale = scale
            request.imageGuidanceScale = imageScale
            var run = try pipeline.drawing(request)
            #expect(try run.pictures().count == 1)
        }
    }
}
