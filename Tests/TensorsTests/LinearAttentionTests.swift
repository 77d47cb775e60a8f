import Testing

@testable import Tensors

@Suite struct LinearAttentionTests {
    private func reference(_ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int) -> [Float] {
        let (batch, rows, width) = (q.shape[0], q.shape[1], q.shape[2])
        let headWidth = width / heads
        let (queries, keys, values) = (q.array, k.array, v.array)
        var result = [Float](repeating: 0, count: q.count)
        for item in 0..<batch {
            for head in 0..<heads {
                func range(_ row: Int) -> Range<Int> {
                    let start = (item * rows + row) * width + head * headWidth
                    return start..<start + headWidth
                }
                for row in 0..<rows {
                    let scores = (0..<rows).map { other in
                        zip(queries[range(row)], keys[range(other)])
                            .reduce(0.0) { $0 + Double(max($1.0, 0)) * Double(max($1.1, 0)) }
                    }
                    let total = scores.reduce(0, +) + 1e-15
                    for (channel, index) in range(row).enumerated() {
                        let sum = (0..<rows).reduce(0.0) {
                            $0 + scores[$1] * Double(values[range($1).lowerBound + channel])
                        }
                        result[index] = Float(sum / total)
                    }
                }
            }
        }
        return result
    }

    @Test(arguments: [(1, 1, 4), (5, 2, 3), (42, 2, 32), (40, 3, 16), (300, 1, 33), (700, 2, 70)])
    func attention_agreesWithTheReference(rows: Int, heads: Int, headWidth: Int) {
        var numbers = TestNumbers(seed: 31)
        let shape = [3, rows, heads * headWidth]
        let (q, k, v) = (numbers.tensor(shape), numbers.tensor(shape), numbers.tensor(shape))
        let result = q.linearlyAttended(keys: k, values: v, heads: heads)
        #expect(result.shape == shape)
        #expect(error(result.array, reference(q, k, v, heads: heads)) < 3e-6)
        for item in 0..<3 {
            let range = item..<item + 1
            let alone = q[range].linearlyAttended(keys: k[range], values: v[range], heads: heads)
            #expect(bits(alone) == bits(result[range]))
        }
        // [batch, rows, heads, q ‖ k ‖ v]
        let parts = [q, k, v].map { $0.reshaped([3 * rows * heads, headWidth]) }
        let packed = Tensor.concatenated(parts, axis: 1).reshaped([3, rows, 3 * heads * headWidth])
        #expect(bits(packed.linearlyAttended(heads: heads)) == bits(result))
    }

    @Test func attention_ofQueriesThatSeeNothingIsZero() {
        let queries = Tensor([-1, -2, 3, 4], shape: [1, 2, 2])
        let keys = Tensor([1, 1, 1, -1], shape: [1, 2, 2])
        let values = Tensor([5, 6, 7, 8], shape: [1, 2, 2])
        // Scores of the second query: 7 and 3.
        let result = queries.linearlyAttended(keys: keys, values: values, heads: 1).array
        #expect(Array(result[..<2]) == [0, 0])
        #expect(abs(result[2] - 5.6) < 1e-5 && abs(result[3] - 6.6) < 1e-5)
    }
}
