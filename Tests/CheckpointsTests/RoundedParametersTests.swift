import Checkpoints
import Foundation
import GoldenData
import Tensors
import Testing

@Suite struct RoundedParametersTests {
    private func rounded(_ values: [Float]) throws -> StoredTensor {
        try withTemporaryFolder { folder in
            try SafetensorsWriter.file([("layer.weight", [values.count], values)])
                .write(to: folder.appending(path: "model.safetensors"))
            return try Checkpoint(folder).load { $0.roundedToBFloat16["layer"].tensor("weight", [values.count]) }
        }
    }

    @Test func values_areRoundedToTheNearest() throws {
        // Between 1 and 2 neighbours are 2⁻⁷ apart.
        let ulp = Float(0x1p-7)
        let tensor = try rounded([
            1, 1 + 0.4 * ulp, 1 + 0.6 * ulp, -1 - 0.6 * ulp, 1 + 0.5 * ulp, 1 + 1.5 * ulp, 0, -0.0, .infinity,
            .greatestFiniteMagnitude,
        ])
        #expect(tensor.dtype == .bfloat16 && tensor.shape == [10])
        #expect(
            tensor.tensor().array == [
                1, 1, 1 + ulp, -1 - ulp, 1, 1 + 2 * ulp, 0, -0.0, .infinity, .infinity,
            ]
        )
    }

    @Test func notANumber_staysOne() throws {
        let tensor = try rounded([.nan, Float(bitPattern: 0x7F80_0001), Float(bitPattern: 0xFFFF_FFFF)])
        #expect(tensor.tensor().array.allSatisfy { $0.isNaN })
    }

    @Test func bfloat16_staysWhereItIs() {
        let parameters = RandomParameters(dtype: .bfloat16)
        let tensor = parameters.reader.roundedToBFloat16.tensor("weight", [40, 30])
        #expect(parameters.held.map(\.bytes.baseAddress) == [tensor.bytes.baseAddress])
    }

    @Test func parameters_areAccountedFor() throws {
        try withTemporaryFolder { folder in
            try SafetensorsWriter.file([("a", [1], [1]), ("b", [1], [1]), ("c", [1], [1])])
                .write(to: folder.appending(path: "model.safetensors"))
            let problems = try Checkpoint(folder).problems { reader in
                let rounded = reader.roundedToBFloat16
                rounded.discard("a")
                return (rounded.tensor("b", [2]), rounded.tensor("d", [1]))
            }
            #expect(problems.map(\.key).sorted() == ["b", "c", "d"])
        }
    }
}
