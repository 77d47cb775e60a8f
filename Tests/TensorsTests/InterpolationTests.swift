import Testing

@testable import Tensors

@Suite struct InterpolationTests {
    @Test(arguments: [(27, 27, 8, 8), (11, 7, 8, 9), (2, 3, 5, 1), (1, 1, 4, 4), (6, 6, 6, 6)])
    func bilinear_agreesWithTheReference(height: Int, width: Int, newHeight: Int, newWidth: Int) {
        var numbers = TestNumbers(seed: 11)
        let x = numbers.tensor([2, height, width, 19])
        let values = x.array
        func point(_ index: Int, _ length: Int, _ count: Int) -> (first: Int, second: Int, share: Double) {
            let position = max(0, Double(length) / Double(count) * (Double(index) + 0.5) - 0.5)
            return (Int(position), min(Int(position) + 1, length - 1), position - position.rounded(.down))
        }
        var reference: [Float] = []
        for image in 0..<2 {
            for row in (0..<newHeight).map({ point($0, height, newHeight) }) {
                for column in (0..<newWidth).map({ point($0, width, newWidth) }) {
                    for channel in 0..<19 {
                        func value(_ y: Int, _ x: Int) -> Double {
                            Double(values[((image * height + y) * width + x) * 19 + channel])
                        }
                        let upper =
                            (1 - column.share) * value(row.first, column.first)
                            + column.share * value(row.first, column.second)
                        let lower =
                            (1 - column.share) * value(row.second, column.first)
                            + column.share * value(row.second, column.second)
                        reference.append(Float((1 - row.share) * upper + row.share * lower))
                    }
                }
            }
        }
        let result = x.interpolatedBilinear(height: newHeight, width: newWidth)
        #expect(result.shape == [2, newHeight, newWidth, 19])
        #expect(error(result.array, reference) < 4e-6)
    }

    @Test(arguments: [1, 7, 72, 1152]) func l2Normalized_givesLengthOne(width: Int) {
        var numbers = TestNumbers(seed: 12)
        let x = numbers.tensor([3, 4, width], in: -5...5)
        let result = x.l2Normalized().array
        for row in 0..<12 {
            let line = x.array[row * width..<(row + 1) * width].map(Double.init)
            let length = line.reduce(0) { $0 + $1 * $1 }.squareRoot()
            let expected = line.map { Float($0 / length) }
            #expect(error(Array(result[row * width..<(row + 1) * width]), expected) < 1e-6)
        }
        #expect(Tensor.zeros([1, 2, width]).l2Normalized().array.allSatisfy { $0 == 0 })
    }
}
