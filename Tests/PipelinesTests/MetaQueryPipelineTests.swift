import Foundation
import GoldenData
import Images
import Tensors
import Testing
import Tokenizers

@testable import Pipelines

/// What is computed once, what a request may ask for, and runs that are interrupted.
@Suite(.enabled(if: GoldenMetaQuery.isHere, "needs the full golden data: TRIPTYCH_GOLDENS"))
struct MetaQueryPipelineTests {
    private let picture = PixelImage(width: 40, height: 30, pixels: (0..<3600).map { UInt8($0 * 37 % 256) })

    private func request(_ images: [PixelImage] = []) -> GenerationRequest {
        GenerationRequest(prompt: "a red cat", images: images, seed: 4242, steps: 2)
    }

    /// How many steps a run takes before it draws.
    private func stepsBeforeDrawing(_ request: GenerationRequest, _ pipeline: MetaQueryPipeline) throws -> Int {
        var run = try pipeline.drawing(request)
        var steps = 0
        while run.rendering == nil {
            #expect(try run.advance() == nil)
            steps += 1
        }
        _ = try run.finish()
        return steps
    }

    // MARK: What is computed once

    @Test(arguments: [GoldenMetaQuery.sana, GoldenMetaQuery.stableDiffusion])
    func conditions_areMadeOnce(model: String) throws {
        let pipeline = try GoldenMetaQuery.pipeline(model)
        let first = request()
        // One pass for each of two branches.
        #expect(try stepsBeforeDrawing(first, pipeline) == 2)
        var other = first
        (other.seed, other.guidanceScale, other.steps, other.count) = (1, 7, 3, 2)
        let multiple = pipeline.description.limits.sizeMultiple
        other.size = PictureSize(width: multiple * 2, height: multiple)
        #expect(try stepsBeforeDrawing(other, pipeline) == 0)

        // Of another prompt only its own: the null branch is there.
        other.prompt = "a blue dog"
        #expect(try stepsBeforeDrawing(other, pipeline) == 1)
        other.negativePrompt = "blurry"
        #expect(try stepsBeforeDrawing(other, pipeline) == 1)
        #expect(pipeline.model.conditions.count == 4)
        other.negativePrompt = ""
        #expect(try stepsBeforeDrawing(other, pipeline) == 0)
    }

    @Test func pictures_areLookedAtOnce() throws {
        let pipeline = try GoldenMetaQuery.pipeline(GoldenMetaQuery.stableDiffusion)
        var request = request([picture])
        // Three branches of some passes each, and two pictures: the black one and the given one.
        var run = try pipeline.drawing(request)
        var stages: [RunProgress.Stage] = []
        while run.rendering == nil {
            stages.append(run.progress.stage)
            #expect(try run.advance() == nil)
        }
        // The last branch finds the picture that another one has looked at, in one step.
        #expect(stages.count { $0 == .encodeImage } == 3)
        #expect(pipeline.model.conditioner.features.count == 2)
        _ = try run.finish()
        request.prompt = "another"
        run = try pipeline.drawing(request)
        #expect(run.readers.filter(\.isFinished).count == 2)
        _ = try run.finish()
        #expect(pipeline.model.conditioner.features.count == 2)
        // Conversations look at pictures in their own way, and keep what they see apart.
        #expect(pipeline.model.languageModel.features.count == 0)
    }

    @Test func samePictures_comeOutOfTheCache() throws {
        let pipeline = try GoldenMetaQuery.pipeline(GoldenMetaQuery.sana)
        var request = request([picture])
        request.count = 2
        func pictures(_ pipeline: MetaQueryPipeline) throws -> [GeneratedPicture] {
            var run = try pipeline.run(for: .generation(request))
            return try run.pictures()
        }
        let expected = try pictures(pipeline)
        #expect(try pictures(pipeline) == expected)
        #expect(try pictures(GoldenMetaQuery.pipeline(GoldenMetaQuery.sana)) == expected)
        // Picture i of a request is the picture of seed + i.
        request.seed += 1
        request.count = 1
        #expect(try pictures(pipeline) == [expected[1]])
    }

    // MARK: Continuation

    @Test(arguments: [GoldenMetaQuery.sana, GoldenMetaQuery.stableDiffusion])
    func drawing_continuesToTheSameBytes(model: String) throws {
        var request = request([picture, picture])
        request.count = 2
        var whole = try GoldenMetaQuery.pipeline(model).run(for: .generation(request))
        let expected = try whole.finish()
        for interval in [1, 3, 7] {
            // Only the bytes go on, to a pipeline that has never seen the request.
            var pipeline = try GoldenMetaQuery.pipeline(model)
            var run = try pipeline.run(for: .generation(request))
            var (result, finished) = (nil as RunResult?, 0)
            while result == nil {
                result = try run.advance()
                // Steps that are done again after a restart don't count, or a short interval would never end.
                guard result == nil, run.progress.step >= finished + interval else { continue }
                finished = run.progress.step
                let state = try run.archivedState()
                pipeline = try GoldenMetaQuery.pipeline(model)
                run = try pipeline.resume(.generation(request), from: state)
            }
            #expect(result == expected, "every \(interval) steps")
        }
    }

    @Test func state_ofAnotherRequestOrModelIsRefused() throws {
        let pipeline = try GoldenMetaQuery.pipeline(GoldenMetaQuery.sana)
        let request = request()
        var run = try pipeline.run(for: .generation(request))
        while run.progress.stage != .denoise { _ = try run.advance() }
        let state = try run.archivedState()
        var changed = request
        changed.seed = 8
        #expect(throws: PipelineError.self) { try pipeline.resume(.generation(changed), from: state) }
        #expect(throws: PipelineError.self) { try pipeline.resume(.generation(request), from: state.dropLast()) }
        let other = try GoldenMetaQuery.pipeline(GoldenMetaQuery.stableDiffusion)
        #expect(throws: PipelineError.self) { try other.resume(.generation(request), from: state) }
    }

    @Test func condition_ofAnotherSizeIsRefused() throws {
        let pipeline = try GoldenMetaQuery.pipeline(GoldenMetaQuery.sana)
        var reader = try ConditionReader(pipeline.model, MetaQueryBranch(text: "a cat", pictures: []))
        #expect(throws: PipelineError.self) { try reader.restore([1, 2, 3]) }
        #expect(!reader.isFinished && reader.step == 0)
        try reader.restore(Array(repeating: 0.5, count: 20 * 56))
        #expect(reader.isFinished && reader.step == reader.steps)
    }

    // MARK: Requests

    @Test func badRequests_areRefusedByTheirField() throws {
        let pipeline = try GoldenMetaQuery.pipeline(GoldenMetaQuery.sana)
        func expect(_ field: String, _ change: (inout GenerationRequest) -> Void) {
            var request = request()
            change(&request)
            #expect("\(field) is refused") {
                _ = try pipeline.run(for: .generation(request))
            } throws: { error in
                guard case .invalidRequest(field, _) = error as? PipelineError else { return false }
                return true
            }
        }
        expect("prompt") { $0.prompt = "" }
        expect("size") { $0.size = PictureSize(width: 44, height: 48) }
        expect("size") { $0.size = PictureSize(width: 104, height: 48) }
        expect("size") { $0.size = PictureSize(width: 48, height: 0) }
        expect("images") { $0.images = Array(repeating: picture, count: 5) }
        expect("images") { $0.images = [PixelImage(width: 201, height: 1, color: .white)] }
        expect("num_inference_steps") { $0.steps = 1001 }
        expect("guidance_scale") { $0.guidanceScale = -1 }
        expect("image_guidance_scale") { $0.imageGuidanceScale = .infinity }
    }

    @Test func defaults_areThoseOfTheOfficialDemo() throws {
        let pipeline = try GoldenMetaQuery.pipeline(GoldenMetaQuery.sana)
        let defaults = pipeline.description.defaults
        #expect(defaults.steps == 30 && defaults.guidanceScale == 4.5 && defaults.imageGuidanceScale == 1.5)
        #expect(defaults.size == PictureSize(width: 48, height: 48))
        #expect(pipeline.description.limits.maximumImages == 4 && pipeline.description.limits.sizeMultiple == 8)
        // Nothing but a picture is guided by it alone.
        func weights(_ prompt: String, scale: Double? = nil) throws -> [Double] {
            var request = request([picture])
            (request.prompt, request.imageGuidanceScale) = (prompt, scale)
            return try pipeline.guidance(of: request).branches.map(\.weight)
        }
        #expect(try weights("") == [-2, 3])
        #expect(try weights("", scale: 2) == [-1, 2])
        #expect(try weights("a dog") == [-0.5, -3, 4.5])
    }

    @Test func caption_isCutToTheTrainedLength() throws {
        let model = try GoldenMetaQuery.pipeline(GoldenMetaQuery.sana).model
        let long = Array(repeating: "flower ", count: 400).joined()
        let cut = model.cut(long)
        #expect(long.hasPrefix(cut) && cut.utf8.count < long.utf8.count)
        #expect(model.languageModel.tokenizer.encode(cut, addSpecialTokens: false).count == 256)
        #expect(model.cut("a cat") == "a cat" && model.cut("") == "")
        // What looks like a control token is text.
        let prompt = try model.prompt(of: MetaQueryBranch(text: model.cut("<|im_end|><image>"), pictures: []))
        let plain = try model.prompt(of: MetaQueryBranch(text: "", pictures: []))
        func count(_ id: Int, _ prompt: MultimodalPrompt) -> Int {
            prompt.ids(model.conditioner.front).count { $0 == id }
        }
        for token in ["<|im_end|>", "<image>"] {
            let id = try #require(model.languageModel.tokenizer.id(of: token))
            #expect(count(id, prompt) == count(id, plain))
        }
    }
}
