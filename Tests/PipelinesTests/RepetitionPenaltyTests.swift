import Testing

@testable import Pipelines

@Suite struct RepetitionPenaltyTests {
    /// transformers' `RepetitionPenaltyLogitsProcessor`: one time for every token, towards less likely.
    @Test func tokens_thatOccurBecomeLessLikely() {
        let penalty = RepetitionPenalty(factor: 2)
        let logits: [Float] = [3, -1, 0, 5, -4]
        #expect(penalty(logits, prompt: [0, 1], reply: [4, 1, 4]) == [1.5, -2, 0, 5, -8])
        #expect(RepetitionPenalty(factor: 0.5)(logits, prompt: [3], reply: [1]) == [3, -0.5, 0, 10, -4])
    }

    @Test func tokens_thatAreNotScoredAreLeftOut() {
        #expect(RepetitionPenalty(factor: 2)([1, 2], prompt: [7, -1], reply: [2]) == [1, 2])
    }

    @Test func factorOfOne_changesNothing() {
        #expect(RepetitionPenalty.neutral([1, .nan, -2], prompt: [0], reply: [2])[2] == -2)
    }
}
