import Testing

@testable import Tensors

/// What a run computes depends neither on the number of threads nor on what runs beside it.
@Suite(.serialized) struct InvarianceTests {
    /// The bytes of `body` with 1, 2 and 3 threads.
    private func expectSameBytes(_ name: String, _ body: () -> Tensor) {
        let threads = ComputePool.shared.threads
        defer { ComputePool.configure(threads: threads) }
        ComputePool.configure(threads: 1)
        let alone = bits(body())
        for count in [2, 3] {
            ComputePool.configure(threads: count)
            #expect(bits(body()) == alone, "\(name), \(count) threads")
        }
    }

    @Test func threads_leaveNoTrace() {
        var numbers = TestNumbers(seed: 13)
        for (rows, inputs, outputs) in [(1, 896, 4864), (2, 64, 96), (30, 300, 700), (200, 512, 130), (600, 70, 33)] {
            let (x, w) = (
                numbers.tensor([1, rows, inputs]), LinearWeight(numbers.tensor([outputs, inputs]), bias: nil)
            )
            expectSameBytes("linear \(rows) × \(inputs) × \(outputs)") { x.linear(w, activation: .gelu) }
        }
        for (size, channels, stride) in [(8, 64, 1), (33, 100, 1), (64, 40, 2)] {
            let x = numbers.tensor([1, size, size, channels])
            let w = ConvolutionWeight(
                StoredTensor(name: "w", numbers.tensor([70, channels, 3, 3])),
                bias: nil,
                stride: stride,
                padding: 1
            )
            expectSameBytes("convolution \(size)² × \(channels)") { x.convolved(w) }
        }
        for (rows, length) in [(1, 1500), (3, 300), (130, 260)] {
            let (q, k) = (numbers.tensor([1, rows, 4 * 32]), numbers.tensor([length, 2 * 32]))
            expectSameBytes("attention \(rows) of \(length)") {
                q.attended(keys: [k], values: [k], heads: 4, keyValueHeads: 2, scale: 0.2, causal: true)
            }
        }
        let (features, kernel) = (numbers.tensor([1, 20, 30, 96]), numbers.tensor([96, 1, 5, 5]))
        let depthwise = ConvolutionWeight(
            StoredTensor(name: "w", kernel),
            bias: nil,
            stride: 1,
            padding: 2,
            groups: 96
        )
        expectSameBytes("depthwise convolution") { features.gateConvolved(depthwise, .silu) }
        expectSameBytes("linear attention") { features.reshaped([1, 600, 96]).linearlyAttended(heads: 2) }
        let (x, row) = (numbers.tensor([2, 70, 70, 32]), numbers.tensor([32]))
        expectSameBytes("group norm") {
            x.groupNormalized(groups: 8, weight: row, bias: row, epsilon: 1e-6, activation: .silu)
        }
        expectSameBytes("layer norm") { x.layerNormalized(weight: row, bias: row, epsilon: 1e-6) }
        expectSameBytes("gelu") { x.activated(.gelu) }
    }

    /// Odd widths put the items of a batch at every place of a vector.
    @Test func neighbours_leaveNoTrace() {
        var numbers = TestNumbers(seed: 14)
        for width in [7, 33, 130] {
            let (row, angles) = (numbers.tensor([width]), numbers.tensor([1, 5, width]))
            for batch in 2...8 {
                let (x, y) = (numbers.tensor([batch, 5, width]), numbers.tensor([batch, 5, width]))
                let shift = numbers.tensor([batch, width])
                let operations: [(String, (Tensor, Tensor, Tensor) -> Tensor)] = [
                    ("rms", { x, _, _ in x.rmsNormalized(weight: row, epsilon: 1e-5) }),
                    ("layer", { x, _, _ in x.layerNormalized(weight: row, bias: row, epsilon: 1e-5) }),
                    ("gelu", { x, _, _ in x.activated(.gelu) }),
                    ("gate", { x, y, _ in x.gated(by: y, .silu) }),
                    ("sum", { x, y, _ in x + y }),
                    ("rows", { x, _, shift in x.addedToRows(shift) }),
                    (
                        "rotation",
                        { x, y, _ in
                            Tensor.concatenated([x, y], axis: 2).rotated(cosines: angles, sines: angles, heads: 1)
                        }
                    ),
                ]
                for (name, operation) in operations {
                    let together = operation(x, y, shift)
                    for item in 0..<batch {
                        let range = item..<item + 1
                        #expect(
                            bits(operation(x[range], y[range], shift[range])) == bits(together[range]),
                            "\(name) of width \(width)"
                        )
                    }
                }
            }
        }
    }
}
