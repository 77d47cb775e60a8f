import Testing

@testable import Tensors

@Suite struct AttentionTests {
    struct Case: CustomTestStringConvertible {
        var rows: Int
        var lengths: [Int]
        var heads = 1
        var keyValueHeads = 1
        var headWidth = 16
        var causal = false

        var testDescription: String {
            "\(rows) rows, lengths \(lengths), heads \(heads)/\(keyValueHeads) × \(headWidth), causal \(causal)"
        }
    }

    static let cases = [
        Case(rows: 1, lengths: [1]),
        Case(rows: 1, lengths: [700, 3], heads: 8, keyValueHeads: 2, headWidth: 64, causal: true),
        Case(rows: 4, lengths: [300], heads: 4, keyValueHeads: 4, headWidth: 10),
        Case(rows: 5, lengths: [5, 40, 9], heads: 6, keyValueHeads: 3, headWidth: 24, causal: true),
        Case(rows: 77, lengths: [77], heads: 4, keyValueHeads: 2, headWidth: 40, causal: true),
        Case(rows: 130, lengths: [300, 150], heads: 2, keyValueHeads: 1, headWidth: 33, causal: true),
        Case(rows: 150, lengths: [77], heads: 5, keyValueHeads: 5, headWidth: 8),
        Case(rows: 64, lengths: [64], heads: 1, keyValueHeads: 1, headWidth: 200),
        Case(rows: 33, lengths: [260], heads: 1, keyValueHeads: 1, headWidth: 7),
    ]

    @Test(arguments: cases) func attention_agreesWithTheReference(_ test: Case) {
        var numbers = TestNumbers(seed: 5)
        let queries = numbers.tensor([test.lengths.count, test.rows, test.heads * test.headWidth], in: -3...3)
        let keys = test.lengths.map { numbers.tensor([$0, test.keyValueHeads * test.headWidth], in: -3...3) }
        let values = test.lengths.map { numbers.tensor([$0, test.keyValueHeads * test.headWidth]) }
        let scale = 1 / Float(test.headWidth).squareRoot()
        let result = queries.attended(
            keys: keys,
            values: values,
            heads: test.heads,
            keyValueHeads: test.keyValueHeads,
            scale: scale,
            causal: test.causal
        )
        let reference = Reference.attention(
            queries,
            keys: keys,
            values: values,
            heads: test.heads,
            keyValueHeads: test.keyValueHeads,
            scale: Double(scale),
            causal: test.causal
        )
        #expect(error(result.array, reference) < 3e-6)
        for item in test.lengths.indices {
            let alone = queries[item..<item + 1].attended(
                keys: [keys[item]],
                values: [values[item]],
                heads: test.heads,
                keyValueHeads: test.keyValueHeads,
                scale: scale,
                causal: test.causal
            )
            #expect(bits(alone) == bits(result[item..<item + 1]))
        }
    }

    @Test func attention_survivesLargeScores() {
        let queries = Tensor([1e3, -1e3], shape: [1, 2, 1])
        let keys = Tensor([1e3, 1e3, -1e3], shape: [3, 1])
        let values = Tensor([1, 2, 5], shape: [3, 1])
        let result = queries.attended(
            keys: [keys],
            values: [values],
            heads: 1,
            keyValueHeads: 1,
            scale: 1,
            causal: false
        )
        #expect(result.array == [1.5, 5])
    }
}
