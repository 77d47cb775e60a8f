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

    struct Penalized: Sendable {
        var set: String
        var name: String
        var factor: Double
        var ids: [Int]
    }

    /// What transformers 4.57.3 generates for cases of the golden data where `repetition_penalty` is set.
    private static let penalized = [
        Penalized(
            set: GoldenMetaQuery.stableDiffusion,
            name: "chat_image0",
            factor: 1.3,
            ids: [
                707, 518, 321, 785, 197, 197, 174, 673, 562, 731, 311, 648, 817, 755, 397, 336, 217, 815, 645, 738, 99,
                286,
                779, 763,
            ]
        ),
        Penalized(
            set: GoldenMetaQuery.sana,
            name: "chat_image1",
            factor: 1.05,
            ids: [
                150, 647, 231, 250, 599, 412, 356, 394, 512, 468, 679, 714, 479, 527, 310, 462, 538, 136, 242, 307, 313,
                434,
                574, 412,
            ]
        ),
        Penalized(
            set: "llava_next_llama3",
            name: "chat_image1",
            factor: 1.3,
            ids: [
                289, 422, 701, 582, 637, 432, 136, 115, 432, 562, 529, 451, 378, 586, 166, 455, 626, 347, 546, 392, 677,
                294,
                227, 344,
            ]
        ),
    ]

    @Test(arguments: penalized) func repetitionPenalty_isTheReferences(_ golden: Penalized) throws {
        let turns = try GoldenCase("\(golden.set)/cases/\(golden.name)").conversation()
        let original = try entry(golden.set).path
        try withTemporaryFolder { folder in
            let name = "generation_config.json"
            for file in try FileManager.default.contentsOfDirectory(atPath: original.path) where file != name {
                try FileManager.default.createSymbolicLink(
                    at: folder.appending(path: file),
                    withDestinationURL: original.appending(path: file)
                )
            }
            let text = try String(contentsOf: original.appending(path: name), encoding: .utf8)
            let start = "{\"repetition_penalty\": \(golden.factor),"
            let changed = text.replacing("{", with: start, maxReplacements: 1)
            try Data(changed.utf8).write(to: folder.appending(path: name))
            let entry = ModelEntry(name: "tiny", family: "mllm", path: folder)
            let pipeline = try #require(ModelFamily.multimodalLLM.load(entry) as? MultimodalPipeline)
            var run = try pipeline.run(for: .chat(ChatRequest(turns: turns, maxTokens: golden.ids.count)))
            guard case .replies(let replies, _) = try run.finish() else { throw NoSuchResult() }
            #expect(replies[0].tokenIDs == golden.ids)
            // Placeholders of pictures are tokens like any other.
            let prompt = try pipeline.model.prompt(of: turns, field: "messages")
            #expect(pipeline.model.front.pictureToken.map(prompt.tokens.contains) == true)
        }
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
