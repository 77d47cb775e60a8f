import Testing

@testable import Tokenizers

struct AddedTokenTests {
    private func tokenizer(_ tokens: [String], _ change: (inout SmallTokenizer) -> Void = { _ in }) throws -> Tokenizer
    {
        var file = SmallTokenizer()
        file.addedTokens = "[" + tokens.joined(separator: ",") + "]"
        change(&file)
        return try file.load()
    }

    @Test
    func longestToken_isFound() throws {
        let tokenizer = try tokenizer([SmallTokenizer.added("<a", id: 300), SmallTokenizer.added("<a>", id: 301)])
        #expect(tokenizer.encode("<a><a!") == [301, 300, 33])
        #expect(tokenizer.encode("<<a") == [60, 300])
    }

    @Test
    func strippingTokens_takeWhitespace() throws {
        let left = try tokenizer([SmallTokenizer.added("<x>", id: 300, #", "lstrip": true"#)])
        #expect(left.encode("a \u{3000}\n<x> b") == [97, 300, 32, 98])
        let right = try tokenizer([SmallTokenizer.added("<x>", id: 300, #", "rstrip": true"#)])
        #expect(right.encode("a <x> \t b<x>") == [97, 32, 300, 98, 300])
        let both = try tokenizer([SmallTokenizer.added("<x>", id: 300, #", "lstrip": true, "rstrip": true"#)])
        #expect(both.encode(" <x>  <x> ") == [300, 300])
    }

    @Test
    func singleWordTokens_needNonWordNeighbours() throws {
        let tokenizer = try tokenizer([SmallTokenizer.added("hey", id: 300, #", "single_word": true"#)])
        #expect(tokenizer.encode("hey!") == [300, 33])
        #expect(!tokenizer.encode("heya").contains(300))
        #expect(!tokenizer.encode("éhey").contains(300))
        #expect(!tokenizer.encode("_hey").contains(300))
    }

    @Test
    func normalizedTokens_areFoundInNormalizedText() throws {
        let entry = #"{"id": 300, "content": "éé", "special": false, "normalized": true}"#
        let composing = try tokenizer([entry]) { $0.normalizer = #"{"type": "NFC"}"# }
        #expect(composing.encode("xe\u{301}é") == [120, 300])
        let verbatim = try tokenizer([entry])
        #expect(!verbatim.encode("xe\u{301}é").contains(300))
    }

    @Test
    func configuration_overridesFlags() throws {
        var file = SmallTokenizer()
        file.addedTokens = "[" + SmallTokenizer.added("<x>", id: 300) + "]"
        let configuration = """
            {"added_tokens_decoder": {"300": {"content": "<x>", "special": true, "normalized": false, "lstrip": true},
             "301": {"content": "<y>", "special": true}}}
            """
        let tokenizer = try file.load(configuration: configuration)
        #expect(tokenizer.encode("a <x><y>") == [97, 300, 301])
        #expect(tokenizer.decode([97, 300, 301], skipSpecialTokens: true) == "a")
        // Ids without a token count: rows of a table stand for them too.
        #expect(tokenizer.vocabularySize == 302)
    }

    @Test
    func userText_neverBecomesAnAddedToken() throws {
        let tokenizer = try tokenizer([SmallTokenizer.added("<x>", id: 300), SmallTokenizer.added("ab", id: 256)]) {
            $0.tokens.append("ab")
            $0.merges = #"["a b"]"#
        }
        #expect(tokenizer.encode("<x>ab", addSpecialTokens: false, allowSpecial: false) == [60, 120, 62, 97, 98])
        let segments: [PromptSegment] = [.control("<x>"), .user("<x>"), .control("<x"), .user(">ab"), .control("<x>")]
        #expect(tokenizer.encode(segments, addSpecialTokens: false) == [300, 60, 120, 62, 60, 120, 62, 97, 98, 300])
    }

    @Test
    func userText_cannotCompleteANormalizedToken() throws {
        let entry = #"{"id": 300, "content": "éé", "special": false, "normalized": true}"#
        let tokenizer = try tokenizer([entry]) { $0.normalizer = #"{"type": "NFC"}"# }
        #expect(tokenizer.encode([.control("ée\u{301}"), .user("a")], addSpecialTokens: false) == [300, 97])
        #expect(!tokenizer.encode([.control("ée"), .user("\u{301}")], addSpecialTokens: false).contains(300))
    }

    @Test
    func template_surroundsTheText() throws {
        let tokenizer = try tokenizer([SmallTokenizer.added("<x>", id: 300), SmallTokenizer.added("<y>", id: 301)]) {
            $0.postProcessor = """
                {"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing",
                 "single": [{"SpecialToken": {"id": "x"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "y"}}],
                 "special_tokens": {"x": {"ids": [300]}, "y": {"ids": [301, 300]}}}]}
                """
        }
        #expect(tokenizer.encode("a") == [300, 97, 301, 300])
        #expect(tokenizer.encode("") == [300, 301, 300])
        #expect(tokenizer.encode("a", addSpecialTokens: false) == [97])
    }
}
