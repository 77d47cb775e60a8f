import Checkpoints
import Foundation
import GoldenData
import Tensors
import Testing

/// Which of a folder's files are taken for its weights.
@Suite struct WeightFilesTests {
    /// Writes files of one number each, whose tensor tells in which file it is.
    private func write(_ names: [String], in folder: URL) throws {
        for (index, name) in names.enumerated() {
            try file(name, [("x", Float(index))]).write(to: folder.appending(path: name))
        }
    }

    /// A file of single numbers, in the format of its name.
    private func file(_ name: String, _ numbers: [(key: String, value: Float)]) -> Data {
        guard !name.hasSuffix("safetensors") else {
            return SafetensorsWriter.file(numbers.map { ($0.key, [1], [$0.value]) })
        }
        let tensors = numbers.enumerated().map { index, number in
            (number.key, PickleWriter.tensor(PickleWriter.storage("\(index)", count: 1), shape: [1], strides: [1]))
        }
        let root = name.hasSuffix(".pt") ? [("model_state_dict", PickleWriter.dictionary(tensors))] : tensors
        return ZipWriter(
            pickle: PickleWriter.program(PickleWriter.dictionary(root)),
            storages: numbers.enumerated().map { index, number in
                ("\(index)", withUnsafeBytes(of: number.value) { Array($0) })
            }
        ).file()
    }

    private func writeIndex(_ name: String, _ map: [String: String], in folder: URL) throws {
        try JSONEncoder().encode(["weight_map": map]).write(to: folder.appending(path: name))
    }

    /// In the order in which they are preferred.
    private static let names = [
        "model.safetensors", "diffusion_pytorch_model.safetensors", "pytorch_model.bin", "diffusion_pytorch_model.bin",
        "model.fp16.safetensors", "diffusion_pytorch_model.fp16.safetensors", "pytorch_model.fp16.bin",
        "diffusion_pytorch_model.fp16.bin", "model.bf16.safetensors", "diffusion_pytorch_model.bf16.safetensors",
        "pytorch_model.bf16.bin", "diffusion_pytorch_model.bf16.bin",
    ]

    @Test(arguments: names.indices)
    func file_isTakenByPreference(first: Int) throws {
        try withTemporaryFolder { folder in
            try write(Array(Self.names[first...].reversed()), in: folder)
            let checkpoint = try Checkpoint(folder)
            #expect(checkpoint.files.map(\.name) == [Self.names[first]])
            #expect(checkpoint.problems { $0.tensor("x", [1]) }.isEmpty)
        }
    }

    @Test(arguments: [
        ("model.safetensors.index.json", "model-0000%-of-00002.safetensors"),
        ("pytorch_model.bin.index.json", "pytorch_model-0000%-of-00002.bin"),
        ("diffusion_pytorch_model.safetensors.index.json", "diffusion_pytorch_model-0000%-of-00002.safetensors"),
        (
            "diffusion_pytorch_model.safetensors.index.fp16.json",
            "diffusion_pytorch_model.fp16-0000%-of-00002.safetensors"
        ),
    ])
    func shards_areReadThroughTheIndex(index: String, pattern: String) throws {
        try withTemporaryFolder { folder in
            let names = ["1", "2"].map { pattern.replacing("%", with: $0) }
            try file(names[0], [("a", 1)]).write(to: folder.appending(path: names[0]))
            try file(names[1], [("b", 2), ("c", 3)]).write(to: folder.appending(path: names[1]))
            try writeIndex(index, ["a": names[0], "b": names[1], "c": names[1]], in: folder)
            let values = try Checkpoint(folder).load { reader in
                ["a", "b", "c"].map { reader.tensor($0, [1]).tensor() }
            }
            #expect(values.flatMap(\.array) == [1, 2, 3])
        }
    }

    /// A download or a training run that was stopped: everything that is wrong with it, at once.
    @Test func shards_thatAreMissingOrDamagedComeWithTheOtherProblems() throws {
        try withTemporaryFolder { folder in
            try file("1.safetensors", [("a", 1), ("b", 1)]).write(to: folder.appending(path: "1.safetensors"))
            try file("2.safetensors", [("b", 1)]).write(to: folder.appending(path: "2.safetensors"))
            try Data([1, 2, 3]).write(to: folder.appending(path: "4.safetensors"))
            let map = ["a": 1, "b": 1, "old.c": 3, "d": 3, "e": 4, "f": 2].mapValues { "\($0).safetensors" }
            try writeIndex("model.safetensors.index.json", map, in: folder)
            let checkpoint = try Checkpoint(folder)
            let found = checkpoint.problems(keys: KeyTable(renamed: [("old.", "")])) { reader in
                "abcdefg".map { reader.tensor(String($0), [1]) }
            }
            #expect(
                found == [
                    .misplaced(key: "f", file: "2.safetensors"),
                    .unreadableShard(file: "3.safetensors", tensors: 2, reason: "No such file or directory"),
                    .unreadableShard(file: "4.safetensors", tensors: 1, reason: "too short for a safetensors header"),
                    .duplicate(key: "b", file: "1.safetensors", otherFile: "2.safetensors"),
                    .missing(key: "f", shape: [1]),
                    .missing(key: "g", shape: [1]),
                ]
            )
            #expect(throws: CheckpointError.self) { try checkpoint.load { $0.tensor("a", [1]) } }
        }
    }

    @Test func shards_withoutIndexAreNamed() throws {
        try withTemporaryFolder { folder in
            try write(["model-00002-of-00004.safetensors", "model-00001-of-00004.safetensors"], in: folder)
            let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder) }
            #expect(error?.description.contains("model-00001-of-00004.safetensors is there, but no index") == true)
        }
    }

    @Test func namedFile_isSafetensorsOrElsePickled() throws {
        try withTemporaryFolder { folder in
            let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder, file: "unet_checkpoint") }
            #expect(
                error?.description.hasSuffix("holds no unet_checkpoint.safetensors or unet_checkpoint.pt") == true
            )
            try write(["unet_checkpoint.pt"], in: folder)
            let pickled = try Checkpoint(folder, file: "unet_checkpoint", stateDict: "model_state_dict")
            #expect(pickled.files.map(\.name) == ["unet_checkpoint.pt"])
            #expect(pickled.problems { $0.tensor("x", [1]) }.isEmpty)
            try write(["unet_checkpoint.safetensors"], in: folder)
            let plain = try Checkpoint(folder, file: "unet_checkpoint", stateDict: "model_state_dict")
            #expect(plain.files.map(\.name) == ["unet_checkpoint.safetensors"])
            #expect(plain.problems { $0.tensor("x", [1]) }.isEmpty)
        }
    }

    @Test func damagedFile_isNotPassedOver() throws {
        try withTemporaryFolder { folder in
            try write(["pytorch_model.bin"], in: folder)
            try Data([1]).write(to: folder.appending(path: "model.safetensors"))
            let error = #expect(throws: CheckpointError.self) { try Checkpoint(folder) }
            #expect(error?.description.contains("model.safetensors: too short") == true)
        }
    }
}
