import Testing

@testable import Tensors

@Suite struct ConvolutionTests {
    struct Case: CustomTestStringConvertible {
        var batch = 1
        var height = 1
        var width = 1
        var inputs = 1
        var outputs = 1
        var kernel = 3
        var stride = 1
        var padding = 1
        var groups = 1

        var testDescription: String {
            "\(batch)×\(height)×\(width)×\(inputs) → \(outputs), k\(kernel) s\(stride) p\(padding) g\(groups)"
        }
    }

    static let cases = [
        Case(height: 1, width: 1, inputs: 1, outputs: 1, kernel: 1, padding: 0),
        Case(height: 5, width: 4, inputs: 3, outputs: 8),
        Case(batch: 3, height: 8, width: 8, inputs: 20, outputs: 40),
        Case(batch: 2, height: 9, width: 110, inputs: 4, outputs: 33),
        Case(batch: 2, height: 16, width: 16, inputs: 32, outputs: 32),
        Case(batch: 3, height: 17, width: 35, inputs: 70, outputs: 45),
        Case(height: 18, width: 110, inputs: 200, outputs: 33),
        Case(height: 16, width: 16, inputs: 1280, outputs: 33),
        Case(height: 19, width: 17, inputs: 40, outputs: 40, padding: 0),
        Case(height: 7, width: 13, inputs: 200, outputs: 5),
        Case(height: 40, width: 30, inputs: 6, outputs: 64),
        Case(batch: 2, height: 9, width: 9, inputs: 16, outputs: 24, stride: 2, padding: 0),
        Case(batch: 1, height: 12, width: 31, inputs: 5, outputs: 24, stride: 2),
        Case(height: 28, width: 28, inputs: 3, outputs: 12, kernel: 14, stride: 14, padding: 0),
        Case(batch: 2, height: 6, width: 50, inputs: 30, outputs: 17, kernel: 1, padding: 0),
        Case(height: 6, width: 9, inputs: 6, outputs: 9, groups: 3),
        Case(batch: 2, height: 6, width: 9, inputs: 37, outputs: 37, groups: 37),
        Case(height: 11, width: 11, inputs: 4, outputs: 4, kernel: 5, padding: 2, groups: 2),
    ]

    @Test(arguments: cases) func convolution_agreesWithTheReference(_ test: Case) {
        var numbers = TestNumbers(seed: 4)
        let x = numbers.tensor([test.batch, test.height, test.width, test.inputs])
        let w = numbers.tensor([test.outputs, test.inputs / test.groups, test.kernel, test.kernel])
        let bias = numbers.tensor([test.outputs])
        let weight = ConvolutionWeight(
            StoredTensor(name: "w", w),
            bias: StoredTensor(name: "b", bias),
            stride: test.stride,
            padding: test.padding,
            groups: test.groups
        )
        let reference = Reference.convolution(
            x,
            w,
            bias: bias.array,
            stride: test.stride,
            padding: test.padding,
            groups: test.groups
        )
        let result = x.convolved(weight)
        #expect(result.shape == reference.shape)
        #expect(error(result.array, reference.array) < 2e-6)
        let residual = numbers.tensor(result.shape)
        #expect(bits(x.convolved(weight, adding: residual)) == bits(result + residual))
        for item in 0..<test.batch {
            #expect(bits(x[item..<item + 1].convolved(weight)) == bits(result[item..<item + 1]))
        }
    }

    /// Normalising and enlarging on the way in gives the bytes of doing it before.
    @Test(arguments: [(8, 12, 3, 1), (40, 48, 3, 1), (9, 7, 3, 2), (6, 5, 1, 1)])
    func convolution_normalizesAndUpsamplesItsInput(height: Int, width: Int, kernel: Int, stride: Int) {
        var numbers = TestNumbers(seed: 12)
        let x = numbers.tensor([2, height, width, 64])
        let weight = ConvolutionWeight(
            StoredTensor(name: "w", numbers.tensor([40, 64, kernel, kernel])),
            bias: nil,
            stride: stride,
            padding: kernel / 2
        )
        let (scale, shift) = (numbers.tensor([64]), numbers.tensor([64]))
        let normalized = x.groupNormalized(
            groups: 8,
            weight: scale,
            bias: shift,
            epsilon: 1e-5,
            activation: .silu
        )
        let normalization = x.groupNormalization(
            groups: 8,
            weight: scale,
            bias: shift,
            epsilon: 1e-5,
            activation: .silu
        )
        #expect(bits(x.convolved(weight, normalization: normalization)) == bits(normalized.convolved(weight)))
        #expect(bits(x.convolved(weight, upsampling: true)) == bits(x.upsampledNearest2x().convolved(weight)))
        #expect(
            bits(x.convolved(weight, normalization: normalization, upsampling: true))
                == bits(normalized.upsampledNearest2x().convolved(weight))
        )
    }

    @Test func projected_equalsConvolved() {
        var numbers = TestNumbers(seed: 15)
        let weight = ConvolutionWeight(
            StoredTensor(name: "w", numbers.tensor([24, 48, 1, 1])),
            bias: StoredTensor(name: "b", numbers.tensor([24])),
            stride: 1,
            padding: 0
        )
        let values = numbers.values(2 * 150 * 101 * 48)
        let kept = Tensor(values, shape: [2, 150, 101, 48])
        let expected = bits(kept.convolved(weight))
        #expect(bits(kept.projected(weight)) == expected)
        #expect(kept.array == values, "a shared tensor stays as it is")
        #expect(bits(Tensor(values, shape: [2, 150, 101, 48]).projected(weight)) == expected)
    }

    /// Band by band, in tall images more than one; odd lines and items at every place.
    @Test(arguments: [(5, 7, 3), (16, 16, 40), (67, 9, 33), (130, 5, 36)])
    func addConvolved_equalsItsSteps(height: Int, width: Int, channels: Int) {
        var numbers = TestNumbers(seed: 16)
        let shape = [2, height, width, channels]
        let (x, residual) = (numbers.tensor(shape), numbers.tensor(shape))
        let scale = numbers.tensor([channels])
        let weight = ConvolutionWeight(
            StoredTensor(name: "w", numbers.tensor([channels, channels, 3, 3])),
            bias: StoredTensor(name: "b", numbers.tensor([channels])),
            stride: 1,
            padding: 1
        )
        let expected = x.convolved(weight).rmsNormalized(weight: scale, epsilon: 1e-5) + residual
        var result = residual
        result.addConvolved(x, weight) { $0 = $0.rmsNormalized(weight: scale, epsilon: 1e-5) }
        #expect(bits(result) == bits(expected))
    }

    @Test func paddedRightBottom_addsOneRowAndColumnOfZeros() {
        let x = Tensor([1, 2, 3, 4], shape: [1, 2, 2, 1])
        #expect(x.paddedRightBottom().array == [1, 2, 0, 3, 4, 0, 0, 0, 0])
    }

    @Test func upsampledNearest2x_repeatsEveryPixel() {
        let x = Tensor([1, 2, 3, 4], shape: [1, 1, 2, 2])
        #expect(x.upsampledNearest2x().array == [1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4])
    }
}
