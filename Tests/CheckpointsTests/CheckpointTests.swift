import Checkpoints
import Foundation
import GoldenData
import Tensors
import Testing

@Suite struct CheckpointTests {
    private typealias Contents = [(name: String, shape: [Int], values: [Float])]

    /// A network of two parameters.
    private struct Pair {
        var weight: Tensor
        var bias: Tensor

        init(_ reader: ParameterReader) {
            weight = reader["layers"][0].tensor("weight", [2, 1]).tensor()
            bias = reader["layers"][0].tensor("bias", [2]).tensor()
        }
    }

    private let weight = ("layers.0.weight", [2, 1], [1, 2] as [Float])
    private let bias = ("layers.0.bias", [2], [3, 4] as [Float])

    private func problems(_ contents: Contents, _ table: KeyTable = KeyTable()) throws -> [TensorProblem] {
        try withTemporaryFolder { folder in
            try SafetensorsWriter.file(contents).write(to: folder.appending(path: "model.safetensors"))
            return try Checkpoint(folder).problems(keys: table, Pair.init)
        }
    }

    @Test func load_consumesEveryTensorOnce() throws {
        try withTemporaryFolder { folder in
            try SafetensorsWriter.file([weight, bias]).write(to: folder.appending(path: "model.safetensors"))
            let checkpoint = try Checkpoint(folder)
            let pair = try checkpoint.load(Pair.init)
            #expect(pair.weight.array == [1, 2])
            #expect(pair.bias.array == [3, 4])
            #expect(checkpoint.parameterCount == 4)
        }
    }

    @Test func problems_comeBackTogether() throws {
        let found = try problems([("layers.0.weight", [1, 2], [1, 2]), ("layers.0.extra", [1], [0])])
        #expect(
            found == [
                .misshaped(key: "layers.0.weight", file: "model.safetensors", found: [1, 2], expected: [2, 1]),
                .missing(key: "layers.0.bias", shape: [2]),
                .unexpected(key: "layers.0.extra", file: "model.safetensors"),
            ]
        )
    }

    @Test func load_throwsAllProblems() throws {
        try withTemporaryFolder { folder in
            try SafetensorsWriter.file([]).write(to: folder.appending(path: "model.safetensors"))
            let checkpoint = try Checkpoint(folder)
            let error = #expect(throws: CheckpointError.self) { _ = try checkpoint.load(Pair.init) }
            #expect(error?.lines.count == 2)
        }
    }

    @Test func keys_areRenamedAndIgnoredByTheTable() throws {
        let old: Contents = [
            ("layers.0.gamma", [2, 1], [1, 2]), bias, ("layers.0.inv_freq", [1], [0]), ("ema.x", [1], [0]),
        ]
        let table = KeyTable(
            renamed: [(".gamma", ".weight")],
            ignoredPrefixes: ["ema."],
            ignoredSuffixes: ["inv_freq"]
        )
        #expect(try problems(old, table).isEmpty)
        #expect(
            try problems(old + [weight], table) == [
                .duplicate(key: "layers.0.weight", file: "model.safetensors", otherFile: "model.safetensors")
            ]
        )
    }

    @Test func integers_areNoWeights() throws {
        let header =
            #"{"layers.0.bias":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},"layers.0.weight":{"dtype":"F16","shape":[2,1],"data_offsets":[8,12]}}"#
        try withTemporaryFolder { folder in
            try SafetensorsWriter.file(header: header, data: Data(count: 12))
                .write(to: folder.appending(path: "model.safetensors"))
            let found = try Checkpoint(folder).problems(Pair.init)
            #expect(found == [.mistyped(key: "layers.0.bias", file: "model.safetensors", found: "I32")])
        }
    }

    /// Writes two shards and an index that maps keys to them.
    private func shards(_ map: [String: String], in folder: URL) throws {
        try SafetensorsWriter.file([weight]).write(to: folder.appending(path: "model-1.safetensors"))
        try SafetensorsWriter.file([bias]).write(to: folder.appending(path: "model-2.safetensors"))
        try JSONEncoder().encode(["weight_map": map]).write(to: folder.appending(path: "model.safetensors.index.json"))
    }

    @Test func shards_areReadThroughTheIndex() throws {
        try withTemporaryFolder { folder in
            try shards(["layers.0.weight": "model-1.safetensors", "layers.0.bias": "model-2.safetensors"], in: folder)
            #expect(try Checkpoint(folder).load(Pair.init).bias.array == [3, 4])
        }
    }

    @Test func shards_mustHoldWhatTheIndexSays() throws {
        try withTemporaryFolder { folder in
            try shards(["layers.0.weight": "model-2.safetensors", "layers.0.bias": "model-2.safetensors"], in: folder)
            #expect(
                try Checkpoint(folder).problems(Pair.init) == [
                    .misplaced(key: "layers.0.weight", file: "model-2.safetensors"),
                    .missing(key: "layers.0.weight", shape: [2, 1]),
                ]
            )
        }
    }

    @Test(arguments: ["/etc/passwd", "../model-1.safetensors", "a/../../b", ""])
    func shards_stayInTheirFolder(name: String) throws {
        try withTemporaryFolder { folder in
            try shards(["layers.0.weight": name], in: folder)
            #expect(throws: CheckpointError.self) { try Checkpoint(folder) }
        }
    }

    @Test func shards_holdingATensorTwiceAreReported() throws {
        try withTemporaryFolder { folder in
            try shards(["layers.0.weight": "model-1.safetensors", "layers.0.bias": "model-2.safetensors"], in: folder)
            try SafetensorsWriter.file([bias, weight]).write(to: folder.appending(path: "model-2.safetensors"))
            #expect(
                try Checkpoint(folder).problems(Pair.init) == [
                    .duplicate(key: "layers.0.weight", file: "model-1.safetensors", otherFile: "model-2.safetensors")
                ]
            )
        }
    }

    @Test func folder_withoutWeightsIsAnError() throws {
        try withTemporaryFolder { folder in
            let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder) }
            #expect(error?.description.contains("holds no weights") == true)
        }
    }

    @Test func fingerprint_tellsShapesApart() throws {
        func fingerprint(_ contents: Contents) throws -> Fingerprint {
            try withTemporaryFolder { folder in
                try SafetensorsWriter.file(contents).write(to: folder.appending(path: "model.safetensors"))
                return try Checkpoint(folder).fingerprint
            }
        }
        #expect(try fingerprint([weight]) == fingerprint([weight]))
        #expect(try fingerprint([weight]) != fingerprint([bias]))
    }
}
