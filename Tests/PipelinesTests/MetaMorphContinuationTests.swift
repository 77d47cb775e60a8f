import Foundation
import GoldenData
import Images
import Networks
import Tensors
import Testing
import Tokenizers

@testable import Pipelines

@Suite struct MetaMorphContinuationTests {
    private let picture = PixelImage(width: 20, height: 10, pixels: (0..<600).map { UInt8($0 * 37 % 256) })

    private func generation(images: [PixelImage] = []) -> GenerationRequest {
        GenerationRequest(prompt: "a cat on a red mat.", images: images, seed: 4242, steps: 2)
    }

    /// Runs a request; after every `interval` steps the run is archived and only the bytes go on, to a pipeline that has
    /// never seen the request.
    private func resuming(_ request: RunRequest, _ checkpoint: String, every interval: Int) throws -> RunResult {
        var run = try GoldenMetaMorph.pipeline(checkpoint).run(for: request)
        var finished = run.progress.step
        while true {
            if let result = try run.advance() { return result }
            // Steps that are done again after a restart don't count, or a short interval would never end.
            guard run.progress.step >= finished + interval else { continue }
            finished = run.progress.step
            run = try GoldenMetaMorph.pipeline(checkpoint).resume(request, from: run.archivedState())
        }
    }

    @Test(arguments: [1, 4, 33])
    func drawing_continuesToTheSameBytes(interval: Int) throws {
        var request = generation(images: [picture])
        request.count = 2
        var whole = try GoldenMetaMorph.pipeline().run(for: .generation(request))
        let expected = try whole.finish()
        #expect(try resuming(.generation(request), "checkpoint_metamorph", every: interval) == expected)
    }

    @Test(arguments: [1, 5, 40])
    func reply_continuesToTheSameBytes(interval: Int) throws {
        let checkpoint = "checkpoint_metamorph_b"
        var request = GoldenMetaMorph.chat()
        request.topLogProbabilities = 1
        var whole = try GoldenMetaMorph.pipeline(checkpoint).run(for: .chat(request))
        let expected = try whole.finish()
        #expect(try resuming(.chat(request), checkpoint, every: interval) == expected)
    }

    @Test func sampledAnswer_continuesToTheSameBytes() throws {
        let request = RunRequest.answer(
            AnswerRequest(
                question: "What is this animal?",
                images: [picture, picture],
                maxTokens: 9,
                sampling: TokenSampling(temperature: 1.3, topP: 0.95, topK: 100),
                seed: 3
            )
        )
        var whole = try GoldenMetaMorph.pipeline().run(for: request)
        let expected = try whole.finish()
        for interval in [1, 3] {
            #expect(try resuming(request, "checkpoint_metamorph", every: interval) == expected)
        }
    }

    @Test func state_ofAnotherRequestOrModelIsRefused() throws {
        let pipeline = try GoldenMetaMorph.pipeline()
        let request = generation()
        var run = try pipeline.run(for: .generation(request))
        while run.progress.stage != .denoise { _ = try run.advance() }
        let state = try run.archivedState()
        var changed = request
        changed.seed = 8
        #expect(throws: PipelineError.self) { try pipeline.resume(.generation(changed), from: state) }
        #expect(throws: PipelineError.self) { try pipeline.resume(.generation(request), from: state.dropLast()) }
        #expect(throws: PipelineError.self) { try pipeline.resume(.chat(GoldenMetaMorph.chat("Why?")), from: state) }
        let other = try GoldenMetaMorph.pipeline("checkpoint_metamorph_b")
        #expect(throws: PipelineError.self) { try other.resume(.generation(request), from: state) }
    }

    @Test func damagedTranscript_isRefused() throws {
        var transcript = Transcript()
        transcript.append(650, score: nil)
        transcript.append(VisualTokens(Tensor.zeros([1, 1, 72])))
        func fits(_ change: (inout [String: Any]) -> Void) throws -> Bool {
            let data = try PropertyListEncoder().encode(transcript)
            var object = try #require(
                try PropertyListSerialization.propertyList(from: data, format: nil) as? [String: Any]
            )
            change(&object)
            let changed = try PropertyListSerialization.data(fromPropertyList: object, format: .binary, options: 0)
            return try PropertyListDecoder().decode(Transcript.self, from: changed)
                .fits(visionWidth: 72, visualTokens: 64, vocabularySize: 652)
        }
        #expect(try fits { _ in })
        #expect(try !fits { $0["ids"] = [652] })
        #expect(try !fits { $0["ids"] = [] as [Int] })
        let picture = ["position": 1, "count": 2, "tokens": Data(count: 4 * 72)] as [String: Any]
        #expect(try !fits { $0["pictures"] = [picture] })
    }
}
