import Testing

@testable import Tokenizers

struct DecodingTests {
    @Test
    func unknownIDs_areLeftOut() throws {
        let tokenizer = try SmallTokenizer().load()
        #expect(
            tokenizer.decode([97, -1, .min, .max, 256, 1 << 31, 1 << 32 + 98, 98], skipSpecialTokens: true) == "ab"
        )
        var stream = tokenizer.makeStream(skipSpecialTokens: true)
        #expect([-1, .max, .min, 97].map { stream.append($0) } == ["", "", "", "a"])
    }

    @Test
    func stream_waitsForWholeCharacters() throws {
        let tokenizer = try SmallTokenizer().load()
        var stream = tokenizer.makeStream(skipSpecialTokens: true)
        #expect(Array("é🙂".utf8).map { stream.append(Int($0)) } == ["", "é", "", "", "", "🙂"])
        #expect(stream.finish() == "")
        #expect(stream.append(0xF0) == "")
        #expect(stream.finish() == "\u{FFFD}")
    }

    /// All sequences of up to four bytes from every kind of byte.
    @Test
    func stream_equalsWholeForBrokenBytes() throws {
        let tokenizer = try SmallTokenizer().load()
        let kinds = [0x41, 0x80, 0x9F, 0xA0, 0x90, 0xBF, 0xC1, 0xC3, 0xE0, 0xE2, 0xED, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF]
        for code in 0..<kinds.count * kinds.count * kinds.count * kinds.count {
            let ids = [code & 15, code >> 4 & 15, code >> 8 & 15, code >> 12].map { kinds[$0] }
            var stream = tokenizer.makeStream(skipSpecialTokens: true)
            let text = ids.map { stream.append($0) }.joined() + stream.finish()
            let isSame = isSameText(text, tokenizer.decode(ids, skipSpecialTokens: true))
            if !isSame { Issue.record("\(ids)") }
        }
    }

    @Test
    func cleanUp_removesSpacesBeforePunctuation() throws {
        let tokenizer = try SmallTokenizer().load(configuration: #"{"clean_up_tokenization_spaces": true}"#)
        func decode(_ text: String) -> String { tokenizer.decode(text.utf8.map(Int.init), skipSpecialTokens: true) }
        #expect(decode("Hi , you ! ok ? yes .") == "Hi, you! ok? yes.")
        #expect(decode("do n't I 'm it 's we 've you 're a ' b") == "don't I'm it's we've you're a'b")
        #expect(decode("a  ' s") == "a's")
    }

    /// All texts of six characters that clean-up knows.
    @Test
    func stream_equalsWholeWithCleanUp() throws {
        let tokenizer = try SmallTokenizer().load(configuration: #"{"clean_up_tokenization_spaces": true}"#)
        let characters = Array(" 'nt.vea".utf8)
        for code in 0..<1 << 18 {
            let ids = (0..<6).map { Int(characters[code >> ($0 * 3) & 7]) }
            var stream = tokenizer.makeStream(skipSpecialTokens: true)
            let text = ids.map { stream.append($0) }.joined() + stream.finish()
            if text != tokenizer.decode(ids, skipSpecialTokens: true) { Issue.record("\(ids)") }
        }
    }
}
