import Testing

@testable import Pipelines

@Suite struct TranscriptCacheTests {
    @Test func cache_isBoundedAndForgetsTheOldestFirst() throws {
        let rules = VisualDecoding.Rules(sampling: .greedy, seed: 0, maxTokens: 1)
        func key(_ text: String, _ rules: VisualDecoding.Rules) -> TranscriptCache.Key {
            TranscriptCache.Key(turns: [ChatTurn(.user, text)], rules: rules)
        }
        let cache = TranscriptCache(byteLimit: 4000)
        for text in ["a", "b", "c"] { cache.insert(Transcript(), for: key(text, rules)) }
        #expect(cache.count == 3)
        #expect(cache[key("a", rules)] != nil)
        cache.insert(Transcript(), for: key("d", rules))
        #expect(cache.count == 3)
        #expect(cache[key("b", rules)] == nil && cache[key("a", rules)] != nil)
        var other = rules
        other.maxTokens = 2
        #expect(cache[key("a", other)] == nil)
        cache.insert(Transcript(), for: key(String(repeating: "x", count: 5000), rules))
        #expect(cache.count == 0)
        // A seed that nothing depends on is no part of the key.
        other = rules
        other.seed = 7
        #expect(other.normalized == rules)
    }
}
