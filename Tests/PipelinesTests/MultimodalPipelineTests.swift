import Foundation
import GoldenData
import Images
import Testing

@testable import Pipelines

/// Base models alone, as a family of their own.
@Suite(
    .enabled(
        if: GoldenMetaQuery.isHere && GoldenData.isHere("llava_next_llama3"),
        "needs the full golden data: TRIPTYCH_GOLDENS"
    )
)
struct MultimodalPipelineTests {
    private static let models = [
        GoldenMetaQuery.sana: "llava-hf/llava-onevision-qwen2-tiny-ov-hf",
        GoldenMetaQuery.stableDiffusion: "Qwen/Qwen2.5-VL-tiny-Instruct",
        "llava_next_llama3": "llava-hf/llama3-llava-next-tiny-hf",
    ]

    private func entry(_ set: String) throws -> ModelEntry {
        let folder = GoldenData.url("\(set)/components/\(try #require(Self.models[set]))")
        return ModelEntry(name: "tiny", family: "mllm", path: folder)
    }

    @Test(arguments: models.keys.sorted(), ["chat_text", "chat_image0", "chat_image1"])
    func answer_equalsTheReference(set: String, name: String) throws {
        let golden = try GoldenCase("\(set)/cases/\(name)")
        let turn = try #require(golden.conversation().first)
        let request = AnswerRequest(
            question: turn.text,
            images: turn.images,
            maxTokens: try golden.integer("max_new_tokens")
        )
        var run = try ModelFamily.multimodalLLM.load(entry(set)).run(for: .answer(request))
        let answer = try run.answer()
        let ids = try golden.integers("generated_ids")
        #expect(answer.tokenIDs == (answer.finishReason == .stop ? Array(ids.dropLast()) : ids))
        #expect(run.progress.fraction == 1)
    }

    @Test(arguments: models.keys.sorted()) func check_findsNothingInAGoodModel(set: String) throws {
        let entry = try entry(set)
        let report = ModelFamily.multimodalLLM.check(entry)
        #expect(report.problems == [])
        let description = try ModelFamily.multimodalLLM.load(entry).description
        #expect(description.tasks == [.answer] && description.outputModalities == [.text])
        #expect(description.weightBytes == report.weightBytes)
        #expect(try ModelFamily.family(ofCheckpointAt: entry.path).name == "mllm")
    }

    @Test func entry_hasNothingToDrawWith() throws {
        var entry = try entry(GoldenMetaQuery.sana)
        entry.defaults.steps = 3
        #expect(throws: PipelineError.self) { try ModelFamily.multimodalLLM.load(entry) }
        entry.defaults = EntryDefaults()
        entry.promptTemplate = "{prompt}"
        #expect(throws: PipelineError.self) { try ModelFamily.multimodalLLM.load(entry) }
        entry.promptTemplate = nil
        entry.quantization = "int8"
        #expect(throws: PipelineError.self) { try ModelFamily.multimodalLLM.load(entry) }
        entry.quantization = "none"
        let pipeline = try ModelFamily.multimodalLLM.load(entry)
        #expect(throws: PipelineError.self) {
            try pipeline.run(for: .generation(GenerationRequest(prompt: "a cat", seed: 1)))
        }
        let pictures = Array(repeating: PixelImage(width: 2, height: 2, color: .black), count: 65)
        #expect {
            _ = try pipeline.run(for: .answer(AnswerRequest(question: "?", images: pictures, maxTokens: 1)))
        } throws: { error in
            guard case .invalidRequest("images", _) = error as? PipelineError else { return false }
            return true
        }
    }

    @Test func check_findsWhatIsMissing() throws {
        try withTemporaryFolder { folder in
            let entry = ModelEntry(name: "empty", family: "mllm", path: folder)
            #expect(ModelFamily.multimodalLLM.check(entry).problems.contains { $0.contains("config.json") })
            #expect(throws: (any Error).self) { try ModelFamily.multimodalLLM.load(entry) }
        }
    }
}
