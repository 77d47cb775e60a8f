import Checkpoints
import Foundation
import GoldenData
import Tensors
import Testing

@Suite struct CheckpointPartsTests {
    private struct Single {
        var weight: Tensor

        init(_ reader: ParameterReader) { weight = reader.tensor("weight", [2]).tensor() }
    }

    private let contents: [(name: String, shape: [Int], values: [Float])] = [
        ("model.a.weight", [2], [1, 2]), ("model.b.weight", [2], [3, 4]), ("vae.weight", [2], [5, 6]),
    ]

    private func withCheckpoint(_ body: (Checkpoint) throws -> Void) throws {
        try withTemporaryFolder { folder in
            try SafetensorsWriter.file(contents).write(to: folder.appending(path: "model.safetensors"))
            try body(Checkpoint(folder))
        }
    }

    @Test func part_isANetworkOfItsOwn() throws {
        try withCheckpoint { whole in
            let part = whole.part("model.b")
            #expect(part.parameterCount == 2 && part.byteCount == 8 && !part.isEmpty)
            let single = try part.load(Single.init)
            #expect(single.weight.array == [3, 4])
            #expect(whole.part("model.c").isEmpty && whole.part("model.").isEmpty)
            #expect(part.fingerprint != whole.part("model.a").fingerprint)
            // Keys keep their names, so that a problem says where it is.
            let problems = whole.part("model").problems { Single($0["a"]) }
            #expect(problems == [.unexpected(key: "model.b.weight", file: "model.safetensors")])
            #expect(
                whole.part("model.c").problems(Single.init) == [.missing(key: "model.c.weight", shape: [2])]
            )
        }
    }

    @Test func keys_ofATableAreTheNetworksOwn() throws {
        try withCheckpoint { whole in
            let table = KeyTable(renamed: [("a.", "c.")], ignoredPrefixes: ["b."])
            let single = try whole.part("model").load(keys: table) { Single($0["c"]) }
            #expect(single.weight.array == [1, 2])
            let other = KeyTable(ignoredPrefixes: ["model.b."])
            #expect(whole.part("model").problems(keys: other) { Single($0["a"]) }.count == 1)
        }
    }

    @Test func tensors_ofTwoPartsMakeOneNetwork() throws {
        struct Both {
            var first: Single
            var second: Single

            init(_ reader: ParameterReader) { (first, second) = (Single(reader["x"]), Single(reader["y"])) }
        }
        try withCheckpoint { whole in
            let x = whole.selecting { $0 == "model.a.weight" ? "x.weight" : nil }
            let y = whole.selecting { $0 == "vae.weight" ? "y.weight" : nil }
            let both = try x.joined(with: y).load(Both.init)
            #expect(both.first.weight.array == [1, 2] && both.second.weight.array == [5, 6])
            #expect(x.problems(Both.init) == [.missing(key: "y.weight", shape: [2])])
        }
    }

    @Test func tensor_isFoundByTheEndOfItsName() throws {
        try withCheckpoint { whole in
            #expect(whole.tensor(endingWith: "b.weight")?.name == "model.b.weight")
            #expect(whole.tensor(endingWith: ".weight")?.name == nil)
            #expect(whole.tensor(endingWith: "c.weight")?.name == nil)
        }
    }

    @Test func unreadableShards_areAProblemOfTheirParts() throws {
        try withTemporaryFolder { folder in
            let index = #"{"weight_map": {"model.a.weight": "gone.safetensors", "vae.weight": "shard.safetensors"}}"#
            try Data(index.utf8).write(to: folder.appending(path: "model.safetensors.index.json"))
            try SafetensorsWriter.file([contents[2]]).write(to: folder.appending(path: "shard.safetensors"))
            let whole = try Checkpoint(folder)
            let part = whole.part("model.a")
            #expect(!part.isEmpty)
            let problems = part.problems(Single.init)
            #expect(problems.contains { $0.key == "gone.safetensors" })
            #expect(!problems.contains { $0.key == "model.a.weight" })
        }
    }
}
