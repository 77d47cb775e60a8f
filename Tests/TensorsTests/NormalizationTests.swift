import Foundation
import Testing

@testable import Tensors

@Suite struct NormalizationTests {
    @Test(arguments: [1, 7, 16, 33, 896]) func rmsNormalized_agreesWithTheReference(width: Int) {
        var numbers = TestNumbers(seed: 6)
        let (x, weight) = (numbers.tensor([2, 5, width]), numbers.tensor([width]))
        let (values, scale) = (x.array, weight.array)
        let reference = (0..<10).flatMap { row -> [Float] in
            let line = values[row * width..<(row + 1) * width].map(Double.init)
            let inverse = 1 / (line.reduce(0) { $0 + $1 * $1 } / Double(width) + 1e-5).squareRoot()
            return zip(line, scale).map { Float($0 * inverse * Double($1)) }
        }
        #expect(error(x.rmsNormalized(weight: weight, epsilon: 1e-5).array, reference) < 1e-6)
    }

    @Test(arguments: [1, 7, 16, 33, 1152]) func layerNormalized_agreesWithTheReference(width: Int) {
        var numbers = TestNumbers(seed: 7)
        let x = numbers.tensor([2, 5, width], in: 3...5)
        let (weight, bias) = (numbers.tensor([width]), numbers.tensor([width]))
        for affine in [true, false] {
            let (values, scale, shift) = (x.array, weight.array, bias.array)
            let reference = (0..<10).flatMap { row -> [Float] in
                let line = values[row * width..<(row + 1) * width].map(Double.init)
                let mean = line.reduce(0, +) / Double(width)
                let variance = line.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
                return line.indices.map {
                    let y = (line[$0] - mean) / (variance + 1e-6).squareRoot()
                    return Float(affine ? y * Double(scale[$0]) + Double(shift[$0]) : y)
                }
            }
            let result = x.layerNormalized(
                weight: affine ? weight : nil,
                bias: affine ? bias : nil,
                epsilon: 1e-6
            )
            #expect(error(result.array, reference) < 4e-6)
        }
    }

    @Test(arguments: [(4, 1, 1), (32, 4, 4), (96, 32, 300), (320, 32, 150)])
    func groupNormalized_agreesWithTheReference(channels: Int, groups: Int, positions: Int) {
        var numbers = TestNumbers(seed: 8)
        // A mean far from zero: one pass over squares would lose the variance.
        let x = numbers.tensor([3, positions, channels], in: 99...101)
        let (weight, bias) = (numbers.tensor([channels]), numbers.tensor([channels]))
        let (values, scale, shift) = (x.array, weight.array, bias.array)
        var reference = [Float](repeating: 0, count: x.count)
        let width = channels / groups
        for item in 0..<3 {
            for group in 0..<groups {
                let indices = (0..<positions).flatMap { position in
                    (0..<width).map { (item * positions + position) * channels + group * width + $0 }
                }
                let members = indices.map { Double(values[$0]) }
                let mean = members.reduce(0, +) / Double(members.count)
                let variance = members.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(members.count)
                for index in indices {
                    let y = (Double(values[index]) - mean) / (variance + 1e-6).squareRoot()
                    let z = y * Double(scale[index % channels]) + Double(shift[index % channels])
                    reference[index] = Float(Reference.activation(.silu, z))
                }
            }
        }
        let result = x.groupNormalized(
            groups: groups,
            weight: weight,
            bias: bias,
            epsilon: 1e-6,
            activation: .silu
        )
        #expect(error(result.array, reference) < 3e-5)
        for item in 0..<3 {
            let alone = x[item..<item + 1].groupNormalized(
                groups: groups,
                weight: weight,
                bias: bias,
                epsilon: 1e-6,
                activation: .silu
            )
            #expect(bits(alone) == bits(result[item..<item + 1]))
        }
    }
}
