import Checkpoints
import Foundation
import Tensors
import Testing

@Suite struct RandomParametersTests {
    /// Three layers that widen, mix and narrow, as a network reads them.
    private struct Perceptron {
        var layers: [(weight: LinearWeight, norm: Tensor)]

        init(_ reader: ParameterReader) {
            layers = [(24, 32), (96, 24), (32, 96)].enumerated().map { index, shape in
                let layer = reader["layers"][index]
                let bias = layer.tensor("bias", [shape.0])
                return (
                    LinearWeight(layer.tensor("weight", [shape.0, shape.1]), bias: bias),
                    layer["norm"].tensor("weight", [shape.0]).tensor()
                )
            }
        }

        func callAsFunction(_ x: Tensor) -> Tensor {
            layers.reduce(x) { $0.linear($1.weight).rmsNormalized(weight: $1.norm, epsilon: 1e-6) }
        }
    }

    private let input = Tensor((0..<64).map { Float($0 % 7) - 3 }, shape: [1, 2, 32])

    @Test(arguments: [DType.float32, .bfloat16])
    func tensor_hasShapeAndDtypeAskedFor(dtype: DType) {
        let parameters = RandomParameters(dtype: dtype)
        let kernel = parameters.reader["conv"].tensor("weight", [3, 4, 5, 5])
        #expect(kernel.name == "conv.weight")
        #expect(kernel.shape == [3, 4, 5, 5])
        #expect(kernel.dtype == dtype)
        #expect(parameters.byteCount == 300 * dtype.byteCount)
    }

    @Test(arguments: [DType.float32, .bfloat16])
    func matrix_keepsScaleWhateverItsFanIn(dtype: DType) {
        // Longer than the pattern that is repeated, and not a multiple of it.
        let matrix = RandomParameters(dtype: dtype).reader.tensor("weight", [300, 400])
        let values = matrix.tensor().array
        let mean = values.reduce(0, +) / 120_000
        let variance = values.reduce(0) { $0 + $1 * $1 } / 120_000
        #expect(abs(mean) < 0.002)
        #expect(abs(variance * 400 - 1) < 0.02)
        #expect(values[..<400] != values[400..<800])
    }

    @Test func vectors_lieAroundOneForNormsAndZeroForBiases() {
        let reader = RandomParameters(dtype: .float32).reader
        #expect(reader["norm"].tensor("weight", [64]).tensor().array.allSatisfy { abs($0 - 1) <= 0.1 })
        #expect(reader["norm"].tensor("bias", [64]).tensor().array.allSatisfy { abs($0) <= 0.1 })
    }

    @Test func network_getsTheSameWeightsEveryTime() {
        let first = Perceptron(RandomParameters(dtype: .bfloat16).reader)(input)
        let second = Perceptron(RandomParameters(dtype: .bfloat16).reader)(input)
        #expect(first.array == second.array)
        #expect(first.shape == [1, 2, 32])
        #expect(first.array.allSatisfy { $0.isFinite && abs($0) < 10 })
    }

    @Test func parameters_differByName() {
        let reader = RandomParameters(dtype: .float32).reader
        #expect(
            reader["a"].tensor("weight", [2, 8]).tensor().array != reader["b"].tensor("weight", [2, 8]).tensor().array
        )
    }

    @Test func held_listsOnlyWhatIsStillInUse() {
        let parameters = RandomParameters(dtype: .bfloat16)
        let kept = parameters.reader.tensor("kept", [4, 4])
        _ = parameters.reader.tensor("dropped", [4, 4])
        #expect(parameters.held.map(\.name) == ["kept"])
        #expect(parameters.byteCount == 64)
        withExtendedLifetime(kept) {}
    }
}
