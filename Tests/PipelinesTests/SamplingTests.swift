import Testing

@testable import Pipelines

@Suite struct TokenSamplerTests {
    private func draws(_ sampling: TokenSampling, _ logits: [Float], count: Int = 2000) -> [Int] {
        var sampler = TokenSampler(sampling, seed: 1)
        return (0..<count).map { _ in sampler.next(logits) }
    }

    @Test func greedy_takesTheFirstOfTheLargest() {
        #expect(draws(.greedy, [0, 3, 3, 1], count: 1) == [1])
        #expect(draws(.greedy, [-.infinity, -5], count: 1) == [1])
    }

    @Test func temperature_drawsByProbability() {
        let drawn = draws(TokenSampling(temperature: 1), [0, 1])
        let share = Double(drawn.reduce(0, +)) / 2000
        #expect(abs(share - 0.731) < 0.04)
        #expect(Set(draws(TokenSampling(temperature: 0.01), [0, 1])) == [1])
    }

    @Test func topK_leavesTheLargest() {
        #expect(Set(draws(TokenSampling(temperature: 5, topK: 2), [1, 4, 3, 2])) == [1, 2])
        #expect(Set(draws(TokenSampling(temperature: 5, topK: 9), [1, 4, 3, 2])) == [0, 1, 2, 3])
    }

    @Test func topP_leavesTheSmallestSetThatReachesIt() {
        // Probabilities 0.643, 0.237, 0.087, 0.032.
        let logits: [Float] = [3, 2, 1, 0]
        #expect(Set(draws(TokenSampling(temperature: 1, topP: 0.6), logits)) == [0])
        #expect(Set(draws(TokenSampling(temperature: 1, topP: 0.7), logits)) == [0, 1])
        #expect(Set(draws(TokenSampling(temperature: 1, topP: 0.9), logits)) == [0, 1, 2])
        #expect(Set(draws(TokenSampling(temperature: 1, topP: 1e-9), logits)) == [0])
    }

    @Test func brokenLogits_doNotTrap() {
        for sampling in [TokenSampling.greedy, TokenSampling(temperature: 1, topP: 0.5, topK: 2)] {
            #expect((0..<3).contains(draws(sampling, [.nan, .nan, .nan], count: 1)[0]))
            #expect((0..<3).contains(draws(sampling, [-.infinity, -.infinity, -.infinity], count: 1)[0]))
            #expect((0..<3).contains(draws(sampling, [.infinity, .nan, 0], count: 1)[0]))
        }
    }
}

@Suite struct StopStringsTests {
    private func scalars(_ text: String) -> [Unicode.Scalar] { Array(text.unicodeScalars) }

    @Test func earliestStop_isFound() {
        let stop = StopStrings(["END", "\n\n"])
        #expect(stop.firstIndex(in: scalars("one two")) == nil)
        #expect(stop.firstIndex(in: scalars("one\n\ntwo END")) == 3)
        #expect(stop.firstIndex(in: scalars("END")) == 0)
    }

    @Test func begunStop_isTheLongest() {
        let stop = StopStrings(["END", "aab", "x"])
        for (text, count) in [("", 0), ("E", 1), ("the EN", 2), ("END", 0), ("aa", 2), ("aaa", 2), ("x", 0)] {
            #expect(stop.begunCount(atEndOf: scalars(text)) == count, "\(text)")
        }
    }

    @Test func scalars_areComparedAsTheyAre() {
        #expect(StopStrings(["e"]).firstIndex(in: scalars("re\u{301}sume")) == 1)
        #expect(StopStrings(["é"]).firstIndex(in: scalars("re\u{301}")) == nil)
    }
}

@Suite struct GuidanceTests {
    @Test func weights_areThoseOfTheFormula() {
        let guidance = Guidance(full: "full", image: "image", null: "null", scale: 3, imageScale: 1.5)
        #expect(guidance.branches.map(\.condition) == ["null", "image", "full"])
        #expect(guidance.branches.map(\.weight) == [-0.5, -1.5, 3])
        #expect(Guidance(full: "full", null: "null", scale: 1.55).branches.map(\.weight).reduce(0, +) == 1)
    }

    @Test func branchesWithoutWeight_areLeftOut() {
        #expect(Guidance(full: "full", null: "null", scale: 1).branches.map(\.condition) == ["full"])
        #expect(Guidance(full: "full", null: "null", scale: 0).branches.map(\.condition) == ["null"])
        let equal = Guidance(full: "same", image: "same", null: "null", scale: 3, imageScale: 1)
        #expect(equal.branches.map(\.condition) == ["same"])
        #expect(equal.branches.map(\.weight) == [1])
    }

    /// 1 - 1e17 is -1e17: rounding leaves nothing of the weights' sum.
    @Test(arguments: [7.5, 1e16, 1e17, 1e300, Double.greatestFiniteMagnitude])
    func sameConditions_areOneBranchWhateverTheScale(scale: Double) {
        let text = Guidance(full: "full", null: "null", scale: scale)
        for guidance in [
            text.map { _ in "a" }, Guidance(full: "a", null: "a", scale: scale),
            Guidance(full: "a", image: "b", null: "a", scale: scale, imageScale: scale),
            Guidance(full: "a", image: "a", null: "a", scale: scale, imageScale: 2),
        ] {
            #expect(guidance.branches.map(\.condition) == ["a"])
            #expect(guidance.branches.map(\.weight) == [1])
        }
    }
}
