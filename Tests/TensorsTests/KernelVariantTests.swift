import CTriptychKernels
import Foundation
import Testing

@testable import Tensors

/// Every compiled variant that this processor runs, against plain loops.
@Suite struct KernelVariantTests {
    static let variants = Kernels.InstructionSet.allCases.filter { $0.table != nil }

    static func table(_ variant: Kernels.InstructionSet) throws -> tk_kernels { try #require(variant.table) }

    @Test func baseline_isAlwaysThere() {
        #expect(Kernels.InstructionSet.baseline.table != nil)
        #expect(Kernels.selected.table != nil)
    }

    @Test(arguments: variants, Activation.allCases)
    func activations_areAccurate(variant: Kernels.InstructionSet, activation: Activation) throws {
        let table = try Self.table(variant)
        let x = stride(from: Float(-100), through: 100, by: 0.0137).map { $0 }
        var y = [Float](repeating: 0, count: x.count)
        table.activate(activation.kernelCode, x, &y, x.count)
        for (value, result) in zip(x, y) {
            let reference = Reference.activation(activation, Double(value))
            // gelu's tails lose relative accuracy, as its exponents are rounded; absolutely they are far below any neighbour.
            let isGELU = [.gelu, .geluTanh, .quickGELU].contains(activation)
            let tolerance = max(abs(reference) * 4e-7, isGELU ? 4e-8 : 1e-36)
            #expect(abs(Double(result) - reference) <= tolerance, "\(activation)(\(value)) = \(result)")
        }
    }

    @Test(arguments: variants) func silu_keepsSpecialValues(variant: Kernels.InstructionSet) throws {
        let table = try Self.table(variant)
        let x: [Float] = [.infinity, -100_000, .nan, 0, 88.8, -88.8, -104]
        var y = x
        table.activate(Activation.silu.kernelCode, x, &y, x.count)
        #expect(y[0] == .infinity)
        #expect(y[1] == 0)
        #expect(y[2].isNaN)
        #expect(y[3] == 0)
        #expect(y[4] == 88.8)
        #expect(abs(y[5]) < 1e-36)
    }

    @Test(arguments: variants) func widen_coversEveryHalf(variant: Kernels.InstructionSet) throws {
        let table = try Self.table(variant)
        let halves = (UInt16.min...UInt16.max).map { $0 }
        var wide = [Float](repeating: 0, count: halves.count)
        table.widen(Int32(TK_FLOAT16), halves, &wide, halves.count)
        for (half, value) in zip(halves, wide) {
            let reference = Float(Float16(bitPattern: half))
            #expect(value == reference || (value.isNaN && reference.isNaN), "\(half)")
        }
        table.widen(Int32(TK_BFLOAT16), halves, &wide, halves.count)
        #expect(zip(halves, wide).allSatisfy { $1.bitPattern == UInt32($0) << 16 })
    }

    @Test(arguments: variants) func pack_transposesAndWritesNothingElse(variant: Kernels.InstructionSet) throws {
        let table = try Self.table(variant)
        let source = (0..<40 * 80).map { Float($0) }
        try source.withUnsafeBufferPointer { source in
            let base = try #require(source.baseAddress)
            for (count, depth) in [(1, 1), (12, 16), (5, 33), (16, 32), (14, 70), (25, 48), (32, 64), (33, 5)] {
                let missing = count / 2
                let rows = (0..<count).map { $0 == missing ? nil : UnsafeRawPointer(base + $0 * 80) }
                var panel = [Float](repeating: -1, count: count * depth + 32)
                table.pack(Int32(TK_FLOAT32), rows, count, depth, &panel, count)
                let expected = (0..<depth).flatMap { k in
                    (0..<count).map { $0 == missing ? 0 : Float($0 * 80 + k) }
                }
                #expect(Array(panel[..<(count * depth)]) == expected, "\(count) × \(depth)")
                #expect(panel[(count * depth)...].allSatisfy { $0 == -1 }, "\(count) × \(depth)")
            }
        }
    }

    @Test(arguments: variants) func dotRows_giveEveryTileTheSameBytes(variant: Kernels.InstructionSet) throws {
        let table = try Self.table(variant)
        var numbers = TestNumbers(seed: 9)
        for depth in [1, 15, 16, 100, 1000] {
            let (rows, outputs) = (11, 9)
            let (x, w) = (numbers.values(rows * depth), numbers.values(outputs * depth))
            var y = [Float](repeating: 0, count: rows * outputs)
            table.dot_rows(x, depth, rows, 0, w, depth, outputs, depth, &y, outputs)
            let reference = Reference.linear(x, w, bias: nil, rows: rows, inputs: depth, outputs: outputs)
            #expect(error(y, reference) < 2e-6)
            for row in 0..<rows {
                for output in 0..<outputs {
                    var alone: Float = 0
                    let (line, weights) = (
                        Array(x[row * depth..<(row + 1) * depth]), Array(w[output * depth..<(output + 1) * depth])
                    )
                    table.dot_rows(line, depth, 1, 0, weights, depth, 1, depth, &alone, 1)
                    #expect(alone.bitPattern == y[row * outputs + output].bitPattern)
                }
            }
        }
    }

    @Test(arguments: variants) func multiplyPanels_agreesWithTheReference(variant: Kernels.InstructionSet) throws {
        let table = try Self.table(variant)
        var numbers = TestNumbers(seed: 10)
        let (tileRows, tileColumns) = (table.tile_rows, table.tile_columns)
        for panelRows in 1...tileRows {
            for columns in [1, tileColumns - 1, tileColumns] {
                let (rows, depth) = (panelRows * 2 + 1, 50)
                let panels = (rows + panelRows - 1) / panelRows
                let a = numbers.values(panels * panelRows * depth)
                let b = numbers.values(depth * tileColumns)
                var c = numbers.values(rows * (columns + 1))
                var expected = c
                for row in 0..<rows {
                    for column in 0..<columns {
                        let sum = (0..<depth).reduce(Double(c[row * (columns + 1) + column])) { sum, k in
                            let left = a[row / panelRows * panelRows * depth + k * panelRows + row % panelRows]
                            return sum + Double(left) * Double(b[k * tileColumns + column])
                        }
                        expected[row * (columns + 1) + column] = Float(sum)
                    }
                }
                table.multiply_panels(
                    a,
                    panelRows,
                    panelRows * depth,
                    panelRows,
                    b,
                    tileColumns,
                    depth,
                    &c,
                    columns + 1,
                    rows,
                    columns,
                    true
                )
                #expect(error(c, expected) < 1e-6, "\(panelRows) rows, \(columns) columns")
            }
        }
    }
}
