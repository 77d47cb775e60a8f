import Testing

@testable import Tensors

@Suite struct LinearTests {
    @Test func linear_multipliesByTheTransposedWeight() {
        let x = Tensor([1, 2, 3, 4, 5, 6], shape: [2, 3])
        let w = LinearWeight(Tensor([1, 0, 1, 0, 1, 0], shape: [2, 3]), bias: Tensor([10, 20], shape: [2]))
        #expect(x.linear(w).array == [14, 22, 20, 25])
    }

    @Test(arguments: [DType.float32, .float16, .bfloat16])
    func linear_agreesWithTheReference(dtype: DType) {
        var numbers = TestNumbers(seed: 1)
        for (rows, inputs, outputs) in [
            (1, 1, 1), (1, 64, 96), (2, 33, 7), (5, 100, 33), (19, 65, 31), (20, 17, 5), (49, 200, 70), (64, 64, 64),
            (100, 401, 129), (300, 48, 3),
        ] {
            let x = numbers.values(rows * inputs)
            let (w, rounded) = stored(numbers.values(outputs * inputs), [outputs, inputs], as: dtype)
            let (bias, roundedBias) = stored(numbers.values(outputs), [outputs], as: dtype)
            let result = Tensor(x, shape: [rows, inputs]).linear(LinearWeight(w, bias: bias))
            let reference = Reference.linear(
                x,
                rounded,
                bias: roundedBias,
                rows: rows,
                inputs: inputs,
                outputs: outputs
            )
            #expect(result.shape == [rows, outputs])
            #expect(error(result.array, reference) < 2e-6, "\(rows) × \(inputs) × \(outputs)")
        }
    }

    @Test func linear_appliesActivationThenResidual() {
        var numbers = TestNumbers(seed: 2)
        for rows in [3, 60] {
            let x = numbers.tensor([1, rows, 40])
            let w = numbers.tensor([50, 40])
            let bias = numbers.tensor([50])
            let residual = numbers.tensor([1, rows, 50])
            let plain = x.linear(LinearWeight(w, bias: bias))
            let fused = x.linear(LinearWeight(w, bias: bias), activation: .silu, adding: residual)
            #expect(bits(fused) == bits(plain.activated(.silu) + residual))
        }
    }

    /// Real widths of the language models and tiny ones, at rows on both sides of the tile threshold.
    @Test(arguments: [(64, 96), (48, 7), (896, 896), (1024, 4096), (4096, 320)])
    func linear_ofABatchEqualsItsItemsAlone(inputs: Int, outputs: Int) {
        var numbers = TestNumbers(seed: 3)
        let w = LinearWeight(numbers.tensor([outputs, inputs]), bias: numbers.tensor([outputs]))
        for rows in [1, 3, 17, 50] {
            for batch in [2, 3, 8] where batch * rows <= 150 {
                let x = numbers.tensor([batch, rows, inputs])
                let together = x.linear(w, activation: .gelu)
                for item in 0..<batch {
                    #expect(bits(together[item..<item + 1]) == bits(x[item..<item + 1].linear(w, activation: .gelu)))
                }
            }
        }
    }
}
