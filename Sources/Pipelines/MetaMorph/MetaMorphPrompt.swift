import Foundation
import Images
import Networks
import Tokenizers

/// What a reply follows: a conversation as the language model reads it.
struct MetaMorphPrompt: Sendable {
    var turns: [ChatTurn]
    var sequence = VisualSequence()
    /// In the order of their indices in the sequence.
    var images: [PixelImage] = []
}

extension MetaMorphModel {
    /// A conversation as the official demo writes it (`conv_llama_3`, `tokenizer_image_token`): Llama 3's turns, but with
    /// one newline behind a role, and with the beginning of text twice, once as text and once from the tokenizer.
    ///
    /// - Parameters:
    ///   - field: what the request calls its texts
    ///   - forPicture: whether the reply ends with a picture, which must find room
    /// - Throws: `PipelineError.invalidRequest` for placeholders that don't fit, or for a prompt that is too long.
    func prompt(of turns: [ChatTurn], field: String, forPicture: Bool = false) throws -> MetaMorphPrompt {
        var images: [PixelImage] = []
        // Text between pictures is encoded on its own.
        var chunks: [[PromptSegment]] = [[.control(MarkerIDs.beginOfText)]]
        func write(_ segment: PromptSegment) { chunks[chunks.count - 1].append(segment) }
        for turn in turns {
            write(.control("<|start_header_id|>\(turn.role.rawValue)<|end_header_id|>\n"))
            for part in try arranged(turn, field: field) {
                switch part {
                case .text(let text): write(.user(text))
                case .picture(let image):
                    images.append(image)
                    write(.control(MarkerIDs.imageStart))
                    chunks.append([.control(MarkerIDs.imageEnd)])
                }
            }
            write(.control(MarkerIDs.endOfTurn))
        }
        write(.control("<|start_header_id|>assistant<|end_header_id|>\n"))

        var prompt = MetaMorphPrompt(turns: turns, images: images)
        for (index, chunk) in chunks.enumerated() {
            if index > 0 { prompt.sequence.append(source: index - 1, tokens: config.visualTokens) }
            prompt.sequence.append(tokenizer.encode(chunk, addSpecialTokens: index == 0))
        }
        try check(prompt, field: field, forPicture: forPicture)
        return prompt
    }

    /// Pictures stand at the placeholder, all of them where there is one, or before the text and a newline.
    private func arranged(_ turn: ChatTurn, field: String) throws -> [ChatTurn.Part] {
        guard turn.role == .user, !turn.images.isEmpty else { return turn.parts }
        let pictures = turn.images.map(ChatTurn.Part.picture)
        let texts = turn.text.components(separatedBy: ChatTurn.placeholder)
        switch texts.count {
        case 1: return pictures + [.text("\n" + turn.text)]
        case 2: return [.text(texts[0])] + pictures + [.text(texts[1])]
        default: return try turn.arranged(field: field)
        }
    }

    private func check(_ prompt: MetaMorphPrompt, field: String, forPicture: Bool) throws {
        let length = prompt.sequence.count
        if let limit = config.promptLimit, length > limit {
            throw PipelineError.invalidRequest(
                field: field,
                reason: "\(length) tokens, pictures included; the model was trained on prompts of at most \(limit)"
            )
        }
        guard room(behind: length, forPicture: forPicture) >= 1 else {
            throw PipelineError.invalidRequest(
                field: field,
                reason: "\(length) tokens, pictures included; the model holds \(config.text.contextLength) with a reply"
            )
        }
    }

    /// Tokens that a reply may have behind a prompt of `length` tokens; a picture that is to follow has its own.
    func room(behind length: Int, forPicture: Bool) -> Int {
        config.text.contextLength - length - (forPicture ? config.visualTokens + 1 : 0)
    }
}
