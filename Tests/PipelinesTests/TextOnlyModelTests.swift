import Checkpoints
import Foundation
import GoldenData
import Images
import Testing
import Tokenizers

@testable import Pipelines

/// A plain Llama and a plain Qwen2 as family `mllm`, against what transformers says (units/language_models/make.py).
@Suite struct TextOnlyModelTests {
    private struct Reference: Decodable {
        var tokenizer: String
        var maxTokens: Int
        var cases: [Case]

        struct Case: Decodable {
            var messages: [Message]
            var repetitionPenalty: Double
            var inputIDs: [Int]
            var generatedIDs: [Int]

            private enum CodingKeys: String, CodingKey {
                case messages
                case repetitionPenalty = "repetition_penalty"
                case inputIDs = "input_ids"
                case generatedIDs = "generated_ids"
            }
        }

        struct Message: Decodable {
            var role: ChatTurn.Role
            var content: String
        }

        private enum CodingKeys: String, CodingKey {
            case tokenizer, cases
            case maxTokens = "max_new_tokens"
        }
    }

    private static let names = ["llama", "qwen2"]

    private static func folder(_ name: String) -> URL { GoldenData.url("units/language_models/\(name)") }

    private func reference(_ name: String) throws -> Reference {
        let data = try Data(contentsOf: Self.folder(name).appending(path: "cases.json"))
        return try JSONDecoder().decode(Reference.self, from: data)
    }

    /// The folder of a model with its tokenizer, its files changed by name: nil leaves one out.
    private func withModel(
        _ name: String,
        changing changes: [String: (String) -> String?] = [:],
        _ body: (ModelEntry) throws -> Void
    ) throws {
        let tokenizer = GoldenData.url("units/tokenizers/\(try reference(name).tokenizer)")
        var files = ["tokenizer.json", "tokenizer_config.json"].map { tokenizer.appending(path: $0) }
        let own = ["config.json", "generation_config.json", "model.safetensors"]
        files += own.map { Self.folder(name).appending(path: $0) }
        try withTemporaryFolder { folder in
            for file in files {
                let copy = folder.appending(path: file.lastPathComponent)
                if let change = changes[file.lastPathComponent] {
                    let text = change(try String(contentsOf: file, encoding: .utf8))
                    if let text { try Data(text.utf8).write(to: copy) }
                } else {
                    try FileManager.default.createSymbolicLink(at: copy, withDestinationURL: file)
                }
            }
            try body(ModelEntry(name: name, family: "mllm", path: folder))
        }
    }

    private func penalty(_ factor: Double) -> [String: (String) -> String?] {
        let start = "{\"repetition_penalty\": \(factor),"
        return ["generation_config.json": { $0.replacing("{", with: start, maxReplacements: 1) }]
    }

    private func request(_ golden: Reference.Case, maxTokens: Int) -> ChatRequest {
        ChatRequest(turns: golden.messages.map { ChatTurn($0.role, $0.content) }, maxTokens: maxTokens)
    }

    // MARK: Replies

    @Test(arguments: names, 0..<4) func reply_equalsTheReference(name: String, index: Int) throws {
        let reference = try reference(name)
        let golden = reference.cases[index]
        try withModel(name, changing: penalty(golden.repetitionPenalty)) { entry in
            let pipeline = try #require(ModelFamily.multimodalLLM.load(entry) as? MultimodalPipeline)
            let request = request(golden, maxTokens: reference.maxTokens)
            let prompt = try pipeline.model.prompt(of: request.turns, field: "messages")
            #expect(prompt.ids(pipeline.model.front) == golden.inputIDs)
            var run = try pipeline.run(for: .chat(request))
            let (replies, usage) = try run.replies()
            let end = golden.generatedIDs.firstIndex(where: pipeline.model.endTokens.contains)
            #expect(replies[0].tokenIDs == Array(golden.generatedIDs[..<(end ?? golden.generatedIDs.count)]))
            #expect(replies[0].finishReason == (end == nil ? .length : .stop))
            #expect(usage.inputTokens == golden.inputIDs.count)
        }
    }

    /// What makes tokens less likely is part of a saved state: prompt and tokens so far.
    @Test(arguments: names) func reply_goesOnFromAnyStep(name: String) throws {
        let reference = try reference(name)
        let golden = reference.cases[1]
        try withModel(name, changing: penalty(golden.repetitionPenalty)) { entry in
            let pipeline = try ModelFamily.multimodalLLM.load(entry)
            var request = request(golden, maxTokens: reference.maxTokens)
            request.topLogProbabilities = 1
            var whole = try pipeline.run(for: .chat(request))
            let expected = try whole.finish()
            for steps in [0, 1, 7, 15] {
                var first = try pipeline.run(for: .chat(request))
                for _ in 0..<steps { #expect(try first.advance() == nil) }
                var second = try pipeline.resume(.chat(request), from: first.archivedState())
                #expect(try second.finish() == expected, "\(steps) steps")
            }
        }
    }

    @Test(arguments: names) func pictures_areRefused(name: String) throws {
        try withModel(name) { entry in
            let pipeline = try ModelFamily.multimodalLLM.load(entry)
            let picture = PixelImage(width: 4, height: 4, color: .black)
            let question = AnswerRequest(question: "What?", images: [picture])
            let chat = ChatRequest(turns: [ChatTurn(.user, "What?", images: [picture])])
            for (request, field) in [(RunRequest.answer(question), "images"), (.chat(chat), "messages")] {
                #expect(throws: PipelineError.invalidRequest(field: field, reason: "this model reads no pictures")) {
                    try pipeline.run(for: request)
                }
            }
        }
    }

    // MARK: Folder

    @Test(arguments: names) func check_findsNothingInAGoodModel(name: String) throws {
        try withModel(name) { entry in
            let report = ModelFamily.multimodalLLM.check(entry)
            #expect(report.problems == [])
            #expect(try ModelFamily.family(ofCheckpointAt: entry.path).name == "mllm")
            // What is built on a model that sees can't be built on this one.
            #expect(throws: PipelineError.self) { try MultimodalFolder(url: entry.path).checkParts() }
            let description = try ModelFamily.multimodalLLM.load(entry).description
            #expect(description.inputModalities == [.text] && description.outputModalities == [.text])
            #expect(description.limits.maximumImages == 0 && description.limits.contextLength == 512)
            #expect(description.weightBytes == report.weightBytes && !description.draws)
        }
    }

    @Test(arguments: [
        ("config.json", "\"llama3\"", "\"yarn\"", "rope type \"yarn\" is not supported"),
        ("config.json", "\"llama\"", "\"mistral\"", "model_type: \"mistral\" is not supported"),
        ("config.json", "\"attention_bias\": true", "\"attention_bias\": false", "self_attn.q_proj.bias"),
        ("config.json", "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false", "lm_head.weight"),
        ("config.json", "\"vocab_size\": 960", "\"vocab_size\": 950", "952 tokens, but the model has 950"),
        ("generation_config.json", "{", "{\"repetition_penalty\": 0,", "repetition_penalty: 0.0 is not within"),
        ("tokenizer_config.json", "chat_template", "template", "chat_template: is missing"),
        ("tokenizer_config.json", "loop_messages", "all_messages", "unknown chat template"),
    ])
    func problems_areNamed(file: String, text: String, other: String, reason: String) throws {
        try withModel("llama", changing: [file: { $0.replacing(text, with: other) }]) { entry in
            let problems = ModelFamily.multimodalLLM.check(entry).problems
            #expect(problems.contains { $0.contains(reason) }, "\(problems)")
            let error = #expect(throws: (any Error).self) { try ModelFamily.multimodalLLM.load(entry) }
            #expect(error.map { "\($0)".contains(reason) } == true, "\(String(describing: error))")
        }
    }

    @Test func endTokens_areTheConfigsWhereGenerationHasNone() throws {
        try withModel("llama") { entry in
            let model = try MultimodalFolder(url: entry.path).model()
            #expect(model.endTokens == [948, 579])
        }
        try withModel("llama", changing: ["generation_config.json": { _ in nil }]) { entry in
            let model = try MultimodalFolder(url: entry.path).model()
            #expect(model.endTokens == [941] && model.repetitionPenalty == .neutral)
        }
    }
}
