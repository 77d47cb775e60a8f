import Checkpoints
import Foundation
import GoldenData
import Images
import Networks
import Tensors
import Testing
import Tokenizers

@testable import Pipelines

/// The tiny multimodal language models of the golden data.
enum GoldenMultimodalLLM {
    static let oneVision = "metaquery_llavaov_sana"
    static let next = "llava_next_llama3"
    static let qwen25VL = "metaquery_qwen25vl_sd"
    static let chats = ["chat_text", "chat_image0", "chat_image1"]

    static func folder(_ set: String) -> URL {
        let names = [
            oneVision: "llava-hf/llava-onevision-qwen2-tiny-ov-hf",
            next: "llava-hf/llama3-llava-next-tiny-hf",
            qwen25VL: "Qwen/Qwen2.5-VL-tiny-Instruct",
        ]
        return GoldenData.url("\(set)/components/\(names[set] ?? "")")
    }

    static func model(_ set: String) throws -> MultimodalLLM { try MultimodalFolder(url: folder(set)).model() }

    /// The folder of a model with one file changed.
    static func withFolder(
        _ set: String,
        changing name: String,
        _ change: (String) -> String,
        _ body: (MultimodalFolder) throws -> Void
    ) throws {
        let original = folder(set)
        try withTemporaryFolder { folder in
            for file in try FileManager.default.contentsOfDirectory(atPath: original.path) where file != name {
                try FileManager.default.createSymbolicLink(
                    at: folder.appending(path: file),
                    withDestinationURL: original.appending(path: file)
                )
            }
            let text = try String(contentsOf: original.appending(path: name), encoding: .utf8)
            try Data(change(text).utf8).write(to: folder.appending(path: name))
            try body(MultimodalFolder(url: folder))
        }
    }

    /// What is wrong with the folder of a model in one of whose files a text is replaced by another.
    static func problem(_ set: String, in file: String, _ text: String, _ other: String) throws -> String {
        var problem = ""
        try withFolder(set, changing: file, { $0.replacing(text, with: other) }) { folder in
            let error = #expect(throws: CheckpointError.self) { try folder.model() }
            problem = error?.description ?? ""
        }
        return problem
    }
}

extension MultimodalLLM {
    func replying(_ request: ChatRequest) throws -> MultimodalReplying {
        try replying(to: .chat(request), request, .ofChat)
    }

    /// The ids of the likeliest reply, the end included; on the way every number is held against the reference.
    func greedyReply(to prompt: MultimodalPrompt, features: [Tensor], as golden: GoldenCase) throws -> [Int] {
        var reader = MultimodalReader(prompt)
        var (ids, logits): ([Int], [[Float]]) = ([], [])
        var last = Tensor.zeros([0])
        let limit = try golden.integer("max_new_tokens")
        while ids.count < limit, ids.last.map({ !endTokens.contains($0) }) ?? true {
            while !reader.isFinished { last = reader.readPass(self, features: features).lastRow }
            if ids.isEmpty, golden.contains("hidden_last_layer_prompt_last") {
                let expected = try golden.tensor("hidden_last_layer_prompt_last")
                #expect(deviation(text.normalized(last), from: expected) < 5e-5)
            }
            let scores = text.logits(last).array
            logits.append(scores)
            let id = try #require(scores.indices.max { scores[$0] < scores[$1] })
            ids.append(id)
            reader.append(id)
        }
        #expect(ids == (try golden.integers("generated_ids")))
        #expect(deviation(logits[0], from: try golden.tensor("logits_step0").array) < 5e-5)
        #expect(deviation(logits[ids.count - 1], from: try golden.tensor("logits_last_step").array) < 5e-5)
        #expect(tokenizer.decode(ids, skipSpecialTokens: true) == (try golden.string("expected_text")))
        return ids
    }
}

extension GoldenCase {
    private struct Message: Decodable {
        struct Part: Decodable {
            var type: String
            var text: String?
        }
        var role: String
        var content: [Part]
    }

    private struct Messages: Decodable {
        var messages: [Message]
    }

    /// The conversation of a chat.
    func conversation() throws -> [ChatTurn] {
        let data = try Data(contentsOf: folder.appending(path: "case.json"))
        var images = (json["images"] as? [String] ?? [])[...]
        return try JSONDecoder().decode(Messages.self, from: data).messages.map { message in
            let parts = try message.content.map { part -> ChatTurn.Part in
                guard part.type == "image", let name = images.popFirst() else { return .text(part.text ?? "") }
                return .picture(try GoldenModel.picture(folder.appending(path: name)))
            }
            return ChatTurn(message.role == "assistant" ? .assistant : .user, parts)
        }
    }
}

extension MultimodalPrompt {
    /// The ids as transformers' processor writes them: placeholders repeated.
    func ids(_ front: any VisionFront) -> [Int] {
        sequence.passes.flatMap { $0 }.flatMap { piece -> [Int] in
            switch piece {
            case .tokens(let ids): ids
            case .source(let index, let rows):
                if case .picture = inputs[index] {
                    Array(repeating: front.pictureToken ?? -1, count: rows.count)
                } else {
                    Array(repeating: front.videoToken ?? -1, count: rows.count)
                }
            case .drawn: []
            }
        }
    }
}
