import Testing

@testable import Tokenizers

struct PreTokenizerTests {
    private func words(_ text: String, _ preTokenizer: PreTokenizer = .llama3) -> [String] {
        let bytes = Array(text.utf8)
        var words: [String] = []
        preTokenizer.forEachWord(in: bytes, 0..<bytes.count) {
            words.append(String(decoding: bytes[$0], as: UTF8.self))
        }
        return words
    }

    @Test
    func numbers_areCutByPattern() {
        #expect(words("12345a") == ["123", "45", "a"])
        #expect(words("12345a", .qwen2) == ["1", "2", "3", "4", "5", "a"])
    }

    @Test
    func contractions_ignoreCase() {
        #expect(words("it's WE'LL I'Ve x'q") == ["it", "'s", " WE", "'LL", " I", "'Ve", " x", "'q"])
        #expect(words("a'\u{17F}b") == ["a", "'\u{17F}", "b"])
        #expect(words("'") == ["'"])
        #expect(words("'l") == ["'l"])
    }

    @Test
    func whitespace_leavesOneSpaceToTheWord() {
        #expect(words("a   b") == ["a", "  ", " b"])
        #expect(words("a   ") == ["a", "   "])
        #expect(words("a \n\n  b") == ["a", " \n\n", " ", " b"])
        #expect(words(" !\r\nx") == [" !\r\n", "x"])
        #expect(words("\u{3000}!") == ["\u{3000}", "!"])
    }

    @Test
    func letters_takeOneCharacterBefore() {
        #expect(words("(a\u{A0}b\ny") == ["(a", "\u{A0}b", "\n", "y"])
    }

    @Test
    func words_coverTheText() throws {
        for text in try GoldenCases("llama3").encode.map(\.text) {
            #expect(isSameText(words(text).joined(), text))
            #expect(isSameText(words(text, .qwen2).joined(), text))
        }
    }
}
