import Testing

@testable import Tensors

@Suite struct HeadNormalizationTests {
    @Test(arguments: [(1, 64), (3, 64), (5, 7)])
    func rmsNormalizedHeads_agreesWithEveryHeadAlone(heads: Int, headWidth: Int) {
        var numbers = TestNumbers(seed: 9)
        let (x, weight) = (numbers.tensor([2, 5, heads * headWidth]), numbers.tensor([heads, headWidth]))
        let result = x.rmsNormalizedHeads(weight: weight, epsilon: 1e-6).reshaped([10, heads, headWidth])
        let separate = x.reshaped([10, heads, headWidth]).permuted([1, 0, 2])
        for head in 0..<heads {
            let scale = weight[head..<(head + 1)].reshaped([headWidth])
            let expected = separate[head..<(head + 1)].rmsNormalized(weight: scale, epsilon: 1e-6)
            let actual = result.permuted([1, 0, 2])[head..<(head + 1)]
            #expect(bits(actual) == bits(expected), "head \(head)")
        }
    }
}
