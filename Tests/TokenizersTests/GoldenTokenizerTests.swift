import Foundation
import GoldenData
import Testing

@testable import Tokenizers

/// Every result of the reference library.
struct GoldenTokenizerTests {
    @Test(arguments: GoldenCases.kinds)
    func encoding_matchesReference(kind: String) throws {
        let (tokenizer, cases) = (try Tokenizer(golden: kind), try GoldenCases(kind))
        #expect(cases.encode.count == 220)
        for text in cases.encode {
            #expect(tokenizer.encode(text.text) == text.ids, "\(text.text)")
            #expect(tokenizer.encode(text.text, addSpecialTokens: false) == text.ids_without_added_special)
        }
    }

    @Test(arguments: GoldenCases.kinds)
    func decoding_matchesReference(kind: String) throws {
        let (tokenizer, cases) = (try Tokenizer(golden: kind), try GoldenCases(kind))
        for text in cases.encode {
            #expect(isSameText(tokenizer.decode(text.ids, skipSpecialTokens: false), text.decoded))
            #expect(isSameText(tokenizer.decode(text.ids, skipSpecialTokens: true), text.decoded_skip_special))
            let bytes = text.ids.flatMap { tokenizer.bytes(of: $0, skipSpecialTokens: true) }
            let uncleaned = String(decoding: bytes, as: UTF8.self)
            #expect(isSameText(uncleaned, text.decoded_skip_special_no_cleanup))
        }
        for text in cases.decode_random {
            #expect(isSameText(tokenizer.decode(text.ids, skipSpecialTokens: false), text.decoded))
            #expect(isSameText(tokenizer.decode(text.ids, skipSpecialTokens: true), text.decoded_skip_special))
        }
    }

    @Test(arguments: GoldenCases.kinds)
    func prefixes_decodeAsReference(kind: String) throws {
        let (tokenizer, cases) = (try Tokenizer(golden: kind), try GoldenCases(kind))
        for text in cases.decode_prefixes {
            for (length, decoded) in text.prefix_decodes.enumerated() {
                let prefix = Array(text.ids.prefix(length))
                #expect(isSameText(tokenizer.decode(prefix, skipSpecialTokens: true), decoded))
            }
        }
    }

    @Test(arguments: GoldenCases.kinds)
    func stream_returnsWhatDecodeReturns(kind: String) throws {
        let (tokenizer, cases) = (try Tokenizer(golden: kind), try GoldenCases(kind))
        let lists = cases.encode.map(\.ids) + cases.decode_random.map(\.ids) + cases.decode_prefixes.map(\.ids)
        for ids in lists {
            for skips in [true, false] {
                var stream = tokenizer.makeStream(skipSpecialTokens: skips)
                let pieces = ids.map { stream.append($0) } + [stream.finish()]
                #expect(isSameText(pieces.joined(), tokenizer.decode(ids, skipSpecialTokens: skips)))
            }
        }
    }

    @Test(arguments: GoldenCases.kinds)
    func specialTokens_haveTheirIDs(kind: String) throws {
        let (tokenizer, cases) = (try Tokenizer(golden: kind), try GoldenCases(kind))
        #expect(tokenizer.vocabularySize == cases.size)
        for (token, id) in cases.specials {
            #expect(tokenizer.id(of: token) == id)
            #expect(tokenizer.encode("a \(token)b", addSpecialTokens: false).contains(id))
            #expect(!tokenizer.encode("a \(token)b", addSpecialTokens: false, allowSpecial: false).contains(id))
        }
    }

    @Test(arguments: GoldenCases.kinds)
    func chats_renderAsReference(kind: String) throws {
        let (tokenizer, cases) = (try Tokenizer(golden: kind), try GoldenCases(kind))
        let template = try ChatTemplate(directory: GoldenCases.folder(kind))
        for chat in cases.chat {
            let segments = try template.render(
                chat.messages.map { try $0.chatMessage() },
                bosToken: tokenizer.configuration.bosToken,
                addGenerationPrompt: chat.add_generation_prompt
            )
            let text = segments.map(\.text).joined()
            #expect(isSameText(text, chat.rendered))
            #expect(tokenizer.encode(text) == chat.ids_of_rendered_text)
            #expect(tokenizer.encode(text, addSpecialTokens: false) == chat.ids_apply_chat_template)
            let writesControlTokens = segments.contains { !$0.isControl && $0.text.contains("<|") }
            let ids = tokenizer.encode(segments, addSpecialTokens: false)
            #expect((ids == chat.ids_apply_chat_template) == !writesControlTokens)
        }
    }

    /// Every tokenizer among the golden checkpoints.
    @Test
    func checkpoints_haveLoadableTokenizers() throws {
        let files = try FileManager.default.subpathsOfDirectory(atPath: GoldenData.folder.path)
            .filter { $0.hasSuffix("/tokenizer.json") }
        #expect(files.count >= GoldenCases.kinds.count)
        for file in files {
            let tokenizer = try Tokenizer(contentsOf: GoldenData.folder.appending(path: file))
            let ids = tokenizer.encode("A red circle, 你好!", addSpecialTokens: false)
            #expect(tokenizer.decode(ids, skipSpecialTokens: true) == "A red circle, 你好!", "\(file)")
        }
    }
}
