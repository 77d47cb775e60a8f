import Foundation
import Samplers
import Testing

struct TorchGeneratorTests {
    private struct Cases: Decodable {
        var entries: [Entry]

        struct Entry: Decodable {
            var seed: UInt64
            var key: String?
            var size: [Int]?
            var draw: String?
            var dtype: String?
            var keys: [String]?
            var sizes: [[Int]]?
            var draws: [Draw]?
        }

        struct Draw: Decodable {
            var kind: String
            var count: Int

            init(from decoder: any Decoder) throws {
                var container = try decoder.unkeyedContainer()
                kind = try container.decode(String.self)
                count = try container.decode(Int.self)
            }
        }
    }

    private static let cases: [Cases.Entry] = {
        let file = goldensFolder.appending(path: "units/randn/case.json")
        guard let data = try? Data(contentsOf: file) else { return [] }
        return (try? JSONDecoder().decode(Cases.self, from: data).entries) ?? []
    }()

    @Test func stream_equalsTorch() throws {
        let expected = try SafetensorsFixture("units/randn/expected.safetensors")
        #expect(Self.cases.count > 100)
        for entry in Self.cases {
            var generator = TorchGenerator(seed: entry.seed)
            if let key = entry.key, let size = entry.size, let kind = entry.draw {
                let actual = draw(kind, size.reduce(1, *), entry.dtype ?? "float32", &generator)
                check(actual, try expected.floats(key), kind, entry.dtype ?? "float32", key)
            } else {
                let keys = try #require(entry.keys)
                let draws = entry.draws?.map { ($0.kind, $0.count) }
                let sizes = entry.sizes?.map { ("randn", $0.reduce(1, *)) }
                for (key, (kind, count)) in zip(keys, try #require(draws ?? sizes)) {
                    check(draw(kind, count, "float32", &generator), try expected.floats(key), kind, "float32", key)
                }
            }
        }
    }

    private func draw(_ kind: String, _ count: Int, _ dtype: String, _ generator: inout TorchGenerator) -> [Float] {
        guard kind == "randn" else { return generator.rand(count) }
        return switch dtype {
        case "float16": generator.randn(count, precision: .float16)
        case "bfloat16": generator.randn(count, precision: .bfloat16)
        default: generator.randn(count)
        }
    }

    private func check(_ actual: [Float], _ expected: [Float], _ kind: String, _ dtype: String, _ key: String) {
        if kind == "rand" {
            #expect(actual == expected, "\(key)")
        } else if dtype == "float32" {
            #expect(largestDifference(actual, expected) <= 2e-6, "\(key)")
        } else {
            // Where float32 values differ in their last bits, rounding can differ by one unit of the 16-bit type.
            let unit: Float = dtype == "float16" ? 0x1p-10 : 0x1p-7
            let close = zip(actual, expected).allSatisfy { abs($0 - $1) <= unit * max(abs($1), 0x1p-14) }
            #expect(actual.count == expected.count && close, "\(key)")
            let unequal = zip(actual, expected).filter { $0 != $1 }.count
            #expect(unequal <= 1 + actual.count / 50, "\(key)")
        }
    }

    @Test(arguments: [0, 1, 7, 100, 623, 624, 1000])
    func savedGenerator_continuesToTheSameValues(drawsBefore: Int) throws {
        var generator = TorchGenerator(seed: 42)
        _ = generator.rand(drawsBefore)
        _ = generator.randn(3)
        let saved = try JSONEncoder().encode(generator)
        var restored = try JSONDecoder().decode(TorchGenerator.self, from: saved)
        #expect(restored == generator)
        #expect(restored.randn(5) == generator.randn(5))
        #expect(restored.randn(700) == generator.randn(700))
        #expect(restored.uniform() == generator.uniform())
    }

    @Test func damagedGenerator_isRefused() throws {
        let saved = try JSONEncoder().encode(TorchGenerator(seed: 1))
        let text = try #require(String(data: saved, encoding: .utf8))
        let tooFar = text.replacing("\"position\":624", with: "\"position\":625")
        #expect(tooFar != text)
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(TorchGenerator.self, from: Data(tooFar.utf8))
        }
        let fewWords = #"{"engine":{"position":0,"words":"AAAA"}}"#
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(TorchGenerator.self, from: Data(fewWords.utf8))
        }
    }

    @Test func seed_countsOnlyInItsLow32Bits() {
        #expect(TorchGenerator(seed: 5) == TorchGenerator(seed: 5 + 1 << 32))
        #expect(TorchGenerator(seed: 5) != TorchGenerator(seed: 6))
    }

    /// `torch.rand(2, dtype=torch.float64)` and `torch.randint(10, (8,))`, each from `manual_seed(0)`.
    @Test func uniformAndInteger_equalTorch() {
        var generator = TorchGenerator(seed: 0)
        #expect([generator.uniform(), generator.uniform()] == [0.9700530018065531, 0.707819864399788])
        generator = TorchGenerator(seed: 0)
        #expect((0..<8).map { _ in generator.nextInt(below: 10) } == [4, 9, 3, 0, 3, 9, 7, 3])
    }
}
