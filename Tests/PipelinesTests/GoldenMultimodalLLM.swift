import Foundation
import GoldenData
import Images
import Networks
import Tensors

@testable import Pipelines

/// The tiny multimodal language models of the golden data.
enum GoldenMultimodalLLM {
    static let oneVision = "metaquery_llavaov_sana"
    static let next = "llava_next_llama3"
    static let chats = ["chat_text", "chat_image0", "chat_image1"]

    static func folder(_ set: String) -> URL {
        let names = [
            oneVision: "llava-onevision-qwen2-tiny-ov-hf",
            next: "llama3-llava-next-tiny-hf",
        ]
        return GoldenData.url("\(set)/components/llava-hf/\(names[set] ?? "")")
    }

    static func model(_ set: String) throws -> MultimodalLLM { try MultimodalFolder(url: folder(set)).model() }
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
