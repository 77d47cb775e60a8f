import CTriptychKernels
import Testing

@testable import Tensors

@Suite struct DepthwiseConvolutionTests {
    @Test(arguments: KernelVariantTests.variants)
    func kernel_agreesWithTheReference(variant: Kernels.InstructionSet) throws {
        let table = try KernelVariantTests.table(variant)
        var numbers = TestNumbers(seed: 21)
        for channels in [1, 3, 16, 17, 64, 65, 200] {
            for taps in [0, 1, 9] {
                let (x, w, bias) = (
                    numbers.values(taps * channels), numbers.values(taps * channels), numbers.values(channels)
                )
                for shift in [bias, nil] {
                    let expected = (0..<channels).map { channel in
                        Float(
                            (0..<taps).reduce(Double(shift?[channel] ?? 0)) {
                                $0 + Double(x[$1 * channels + channel]) * Double(w[$1 * channels + channel])
                            }
                        )
                    }
                    var y = [Float](repeating: -1, count: channels + 20)
                    x.withUnsafeBufferPointer { x in
                        w.withUnsafeBufferPointer { w in
                            let pixels = (0..<taps).compactMap { tap in x.baseAddress.map { $0 + tap * channels } }
                            let weights = (0..<taps).compactMap { tap in w.baseAddress.map { $0 + tap * channels } }
                            table.depthwise(pixels, weights, taps, shift, &y, channels)
                        }
                    }
                    #expect(error(Array(y[..<channels]), expected) < 1e-6, "\(channels) channels, \(taps) taps")
                    #expect(y[channels...].allSatisfy { $0 == -1 }, "\(channels) channels, \(taps) taps")
                }
            }
        }
    }

    struct Case: CustomTestStringConvertible {
        var batch = 1
        var height: Int
        var width: Int
        var channels: Int
        var kernel = 3
        var stride = 1

        var testDescription: String { "\(batch)×\(height)×\(width)×\(channels), k\(kernel) s\(stride)" }
    }

    static let cases = [
        Case(height: 1, width: 1, channels: 2),
        Case(batch: 3, height: 5, width: 8, channels: 600),
        Case(height: 2, width: 3, channels: 1100, kernel: 5),
        Case(batch: 2, height: 9, width: 7, channels: 34, kernel: 5, stride: 2),
    ]

    private func weight(_ test: Case, _ numbers: inout TestNumbers) -> (kernel: Tensor, bias: Tensor, ConvolutionWeight)
    {
        let kernel = numbers.tensor([test.channels, 1, test.kernel, test.kernel])
        let bias = numbers.tensor([test.channels])
        let weight = ConvolutionWeight(
            StoredTensor(name: "w", kernel),
            bias: StoredTensor(name: "b", bias),
            stride: test.stride,
            padding: test.kernel / 2,
            groups: test.channels
        )
        return (kernel, bias, weight)
    }

    @Test(arguments: cases) func convolution_agreesWithTheReference(_ test: Case) {
        var numbers = TestNumbers(seed: 22)
        let x = numbers.tensor([test.batch, test.height, test.width, test.channels])
        let (kernel, bias, weight) = weight(test, &numbers)
        #expect(weight.isDepthwise)
        let reference = Reference.convolution(
            x,
            kernel,
            bias: bias.array,
            stride: test.stride,
            padding: test.kernel / 2,
            groups: test.channels
        )
        let result = x.convolved(weight)
        #expect(result.shape == reference.shape)
        #expect(error(result.array, reference.array) < 2e-6)
        let residual = numbers.tensor(result.shape)
        #expect(
            bits(x.convolved(weight, activation: .silu, adding: residual)) == bits(result.activated(.silu) + residual)
        )
        let halves = [0, 1].map { half in
            result.reshaped([result.count / test.channels, 2, test.channels / 2]).permuted([1, 0, 2])[half..<half + 1]
        }
        let gated = x.gateConvolved(weight, .silu)
        #expect(gated.shape == result.shape.dropLast() + [test.channels / 2])
        #expect(bits(gated) == bits(halves[0].gated(by: halves[1], .silu)))
        for item in 0..<test.batch {
            #expect(bits(x[item..<item + 1].convolved(weight)) == bits(result[item..<item + 1]))
            #expect(bits(x[item..<item + 1].gateConvolved(weight, .silu)) == bits(gated[item..<item + 1]))
        }
    }

    /// Normalising and enlarging on the way in gives the bytes of doing it before.
    @Test func convolution_normalizesAndUpsamplesItsInput() {
        var numbers = TestNumbers(seed: 23)
        let x = numbers.tensor([2, 5, 6, 48])
        let (_, _, weight) = weight(Case(height: 5, width: 6, channels: 48), &numbers)
        let row = numbers.tensor([48])
        let normalized = x.groupNormalized(groups: 4, weight: row, bias: row, epsilon: 1e-5, activation: .silu)
        let normalization = x.groupNormalization(groups: 4, weight: row, bias: row, epsilon: 1e-5, activation: .silu)
        #expect(
            bits(x.convolved(weight, normalization: normalization, upsampling: true))
                == bits(normalized.upsampledNearest2x().convolved(weight))
        )
    }
}
