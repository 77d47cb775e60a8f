import Foundation
import GoldenData
import Testing

@testable import Tokenizers

/// The reference library's results for one tokenizer: `units/tokenizers/<kind>/cases.json`.
struct GoldenCases: Decodable {
    struct Encode: Decodable {
        let text: String
        let ids: [Int]
        let ids_without_added_special: [Int]
        let decoded: String
        let decoded_skip_special: String
        let decoded_skip_special_no_cleanup: String
    }

    struct Prefixes: Decodable {
        let ids: [Int]
        let prefix_decodes: [String]
    }

    struct Random: Decodable {
        let ids: [Int]
        let decoded: String
        let decoded_skip_special: String
    }

    struct Chat: Decodable {
        let messages: [Message]
        let add_generation_prompt: Bool
        let rendered: String
        let ids_of_rendered_text: [Int]
        let ids_apply_chat_template: [Int]
    }

    struct Message: Decodable {
        let role: String
        let content: [Part]

        struct Part: Decodable {
            let type: String
            let text: String?
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            role = try container.decode(String.self, forKey: .role)
            if let text = try? container.decode(String.self, forKey: .content) {
                content = [Part(type: "text", text: text)]
            } else {
                content = try container.decode([Part].self, forKey: .content)
            }
        }

        private enum CodingKeys: CodingKey { case role, content }

        func chatMessage() throws -> ChatMessage {
            ChatMessage(
                try #require(ChatMessage.Role(rawValue: role)),
                content.map { $0.type == "image" ? .image : .text($0.text ?? "") }
            )
        }
    }

    let size: Int
    let specials: [String: Int]
    let encode: [Encode]
    let decode_prefixes: [Prefixes]
    let decode_random: [Random]
    let chat: [Chat]

    static let kinds = ["llama3", "llama3_llava_next", "qwen2", "qwen25"]

    static func folder(_ kind: String) -> URL {
        GoldenData.folder.appending(path: "units/tokenizers/\(kind)")
    }

    init(_ kind: String) throws {
        let data = try Data(contentsOf: Self.folder(kind).appending(path: "cases.json"))
        self = try JSONDecoder().decode(Self.self, from: data)
    }
}

extension Tokenizer {
    /// The tokenizer of one golden folder.
    init(golden kind: String) throws {
        try self.init(contentsOf: GoldenCases.folder(kind).appending(path: "tokenizer.json"))
    }
}

/// Swift compares strings up to canonical equivalence; these tests need the same scalars.
func isSameText(_ a: String, _ b: String) -> Bool {
    a.unicodeScalars.elementsEqual(b.unicodeScalars)
}
