import Testing

@testable import Tokenizers

struct BytePairModelTests {
    @Test
    func queue_mergesAsScan() throws {
        let tokenizer = try Tokenizer(golden: "qwen2")
        let text = try GoldenCases("qwen2").encode.map(\.text).joined()
        let bytes = Array(text.utf8)
        for length in [0, 1, 2, 3, 7, 48, 49, 200] {
            for start in stride(from: 0, to: bytes.count - length, by: 97) {
                let word = bytes[start..<start + length]
                var scratch = MergeScratch()
                var (scanned, queued): ([Int32], [Int32]) = ([], [])
                tokenizer.model.mergeByScan(word, scratch: &scratch, into: &scanned)
                tokenizer.model.mergeByQueue(word, into: &queued)
                #expect(scanned == queued)
            }
        }
    }

    @Test
    func lowestRank_isMergedFirst() throws {
        #expect(try SmallTokenizer(merges: ["b c", "a b", "ab c"]).load().encode("abc") == [97, 256])
        #expect(try SmallTokenizer(merges: ["a b", "b c", "ab c"]).load().encode("abc") == [258])
        #expect(try SmallTokenizer(merges: ["a a"]).load().encode("aaa") == [256, 97])
    }

    @Test
    func mergesAsPairs_equalMergesAsStrings() throws {
        var pairs = SmallTokenizer(merges: ["a b", "ab c"])
        pairs.merges = #"[["a", "b"], ["ab", "c"]]"#
        #expect(try pairs.load().encode("abcab") == [257, 256])
    }

    @Test
    func ignoreMerges_takesWholeWords() throws {
        var file = SmallTokenizer()
        file.tokens.append("word")
        #expect(try file.load().encode("word").count == 4)
        file.modelOptions = #""ignore_merges": true,"#
        #expect(try file.load().encode("word") == [256])
    }

    @Test
    func bytesWithoutToken_areDropped() throws {
        var file = SmallTokenizer()
        file.vocabulary = #"{"a": 0, "b": 1, "ab": 2}"#
        file.merges = #"["a b"]"#
        #expect(try file.load().encode("a?b") == [0, 1])
        #expect(try file.load().encode("\u{1F642}") == [])
    }

    @Test
    func canonicallyEqualTokens_stayApart() throws {
        var file = SmallTokenizer()
        let tokens = [SmallTokenizer.added("<\u{E9}>", id: 300), SmallTokenizer.added("<e\u{301}>", id: 301)]
        file.addedTokens = "[" + tokens.joined(separator: ",") + "]"
        let tokenizer = try file.load()
        #expect(tokenizer.encode("<\u{E9}>") == [300])
        #expect(tokenizer.encode("<e\u{301}>") == [301])
        #expect(tokenizer.id(of: "<e\u{301}>") == 301)
    }

    @Test
    func longWord_isMergedWhole() throws {
        let text = String(repeating: "ab", count: 200_000)
        let tokenizer = try SmallTokenizer(merges: ["a b", "ab ab"]).load()
        #expect(tokenizer.encode(text) == [Int](repeating: 257, count: 100_000))
    }
}
