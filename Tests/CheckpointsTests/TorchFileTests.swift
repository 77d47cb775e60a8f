import Checkpoints
import Foundation
import GoldenData
import Tensors
import Testing

/// Files of `torch.save`: what the official code wrote, and forged ones.
@Suite struct TorchFileTests {
    private typealias Pickle = PickleWriter

    private static let visualizer = GoldenData.folder.appending(path: "metamorph/visualizer")

    // MARK: - Files of the official code

    @Test func tensors_equalThoseOfTheSafetensorsFileBeside() throws {
        let file = Self.visualizer.appending(path: "adapter_checkpoint.pt")
        let pickled = try TorchFile(file, stateDict: ["model_state_dict"])
        let plain = try SafetensorsFile(Self.visualizer.appending(path: "adapter_checkpoint.safetensors"))
        let tensors = Dictionary(uniqueKeysWithValues: pickled.tensors.map { ($0.name, $0) })
        #expect(tensors.count == plain.tensors.count && !tensors.isEmpty)
        for expected in plain.tensors {
            let tensor = try #require(tensors[expected.name], "\(expected.name)")
            #expect(tensor.dtype == expected.dtype)
            #expect(tensor.shape == expected.shape)
            #expect(tensor.bytes.elementsEqual(expected.bytes), "\(expected.name)")
        }
    }

    @Test func stateDict_isFoundByItsPath() throws {
        let url = Self.visualizer.appending(path: "adapter_checkpoint.pt")
        let all = try TorchFile(url)
        #expect(all.tensors.map(\.name).contains("model_state_dict.layers.0.weight"))
        #expect(try TorchFile(url, stateDict: ["model_state_dict"]).tensors.count == all.tensors.count)
        let error = #expect(throws: CheckpointError.self) { try TorchFile(url, stateDict: ["state_dict"]) }
        #expect(error?.description.contains("holds no state_dict, but a dict of \"model_state_dict\"") == true)
        #expect(error?.description.contains("adapter_checkpoint.pt") == true)
    }

    // MARK: - Forged files

    /// Six float32 numbers from 0 to 5 in storage 0.
    private static let six: [(key: String, bytes: [UInt8])] = [
        ("0", [0, 1, 2, 3, 4, 5].flatMap { (number: Float) in withUnsafeBytes(of: number) { Array($0) } })
    ]

    private func archive(_ tensor: [UInt8]) -> Data {
        ZipWriter(pickle: Pickle.program(Pickle.dictionary([("a", tensor)])), storages: Self.six).file()
    }

    private func view(offset: Int = 0, _ shape: [Int], _ strides: [Int]) -> Data {
        archive(Pickle.tensor(Pickle.storage("0", count: 6), offset: offset, shape: shape, strides: strides))
    }

    private func values(_ data: Data) throws -> [Float] {
        try #require(openTorchFile(data).tensors.first).tensor().array
    }

    @Test func views_areReadInTheirOrder() throws {
        #expect(try values(view([2, 3], [3, 1])) == [0, 1, 2, 3, 4, 5])
        #expect(try values(view(offset: 2, [2, 2], [2, 1])) == [2, 3, 4, 5])
        #expect(try values(view(offset: 5, [], [])) == [5])
        // Transposed, and every second element.
        #expect(try values(view([3, 2], [1, 3])) == [0, 3, 1, 4, 2, 5])
        #expect(try values(view(offset: 1, [3], [2])) == [1, 3, 5])
        // [1, 2, 1, 3] in channels-last order.
        #expect(try values(view([1, 2, 1, 3], [6, 1, 6, 2])) == [0, 2, 4, 1, 3, 5])
    }

    @Test func views_mayHaveAnyStrideAcrossOneElement() throws {
        #expect(try values(view([1, 6], [0, 1])) == [0, 1, 2, 3, 4, 5])
        #expect(try values(view([1, 3, 1, 2], [.max, 1, 7, 3])) == [0, 3, 1, 4, 2, 5])
    }

    @Test func views_mayBeEmpty() throws {
        let file = try openTorchFile(view(offset: 100, [2, 0], [1, 1]))
        #expect(file.tensors.map(\.shape) == [[2, 0]])
        #expect(file.tensors.map(\.bytes.count) == [0])
    }

    @Test func views_mustLieInTheirStorage() {
        #expect(refusal(of: view([7], [1])).contains("element 6 lies outside storage 0 of 6 elements"))
        #expect(refusal(of: view(offset: 1, [2, 3], [3, 1])).contains("outside"))
        #expect(refusal(of: view(offset: 6, [], [])).contains("outside"))
        #expect(refusal(of: view([2, 2], [5, 1])).contains("outside"))
        #expect(refusal(of: view([2, 2], [5, 1])).hasPrefix("tensor a: "))
        #expect(refusal(of: view(offset: -1, [1], [1])).contains("negative"))
        #expect(refusal(of: view([-1], [1])).contains("negative"))
        #expect(refusal(of: view([-1, 0], [1, 1])).contains("negative"))
        #expect(refusal(of: view(offset: 5, [3], [-2])).contains("negative"))
        #expect(refusal(of: view([2], [1, 1])).contains("has strides"))
        #expect(refusal(of: view([2, 3], [])).contains("has strides"))
    }

    @Test func views_thatOverflowAreRefused() {
        #expect(refusal(of: view(offset: .max, [2], [1])).contains("overflow"))
        #expect(refusal(of: view([3], [.max])).contains("overflow"))
        #expect(refusal(of: view([2, 2], [.max, .max])).contains("overflow"))
        #expect(refusal(of: view([1 << 62, 4], [0, 0])).contains("overflows"))
        #expect(refusal(of: view([1 << 62, 4, 0], [0, 0, 0])).contains("overflows"))
        #expect(refusal(of: view([0, 1 << 62, 4], [0, 0, 0])).contains("overflows"))
        #expect(refusal(of: view([.min], [1])).contains("negative"))
    }

    /// A stride of zero turns one number into terabytes.
    @Test func views_thatRepeatElementsMayNotOutgrowTheFile() throws {
        #expect(refusal(of: view([1 << 40], [0])).contains("beyond the size of the file"))
        #expect(refusal(of: view([1 << 61], [0])).contains("beyond the size of the file"))
        #expect(try values(view([4], [0])) == [0, 0, 0, 0])
        let many = (0..<200).map {
            ("t\($0)", Pickle.tensor(Pickle.storage("0", count: 6), shape: [100], strides: [0]))
        }
        let archive = ZipWriter(pickle: Pickle.program(Pickle.dictionary(many)), storages: Self.six)
        #expect(refusal(of: archive.file()).contains("beyond the size of the file"))
    }

    @Test(arguments: [5, 7, -1, .max, 1 << 62])
    func storages_haveTheSizeTheyClaim(count: Int) {
        let reason = refusal(of: archive(Pickle.tensor(Pickle.storage("0", count: count), shape: [1], strides: [1])))
        #expect(reason == "tensor a: 24 bytes of storage 0 are not \(count) of F32")
    }

    @Test(arguments: ["1", "../data.pkl", "", "\n"])
    func storages_mustBeThere(key: String) {
        let reason = refusal(of: archive(Pickle.tensor(Pickle.storage(key, count: 6), shape: [1], strides: [1])))
        #expect(reason == "tensor a: the file holds no storage \(key.debugDescription)")
    }

    @Test(
        arguments: [
            ("DoubleStorage", .float64), ("FloatStorage", .float32), ("HalfStorage", .float16),
            ("BFloat16Storage", .bfloat16), ("LongStorage", .int64), ("IntStorage", .int32), ("ShortStorage", .int16),
            ("CharStorage", .int8), ("ByteStorage", .uint8), ("BoolStorage", .bool),
        ] as [(String, DType)]
    )
    func storages_areReadInEveryType(name: String, dtype: DType) throws {
        let tensor = Pickle.tensor(Pickle.storage("0", name, count: 24 / dtype.byteCount), shape: [2], strides: [1])
        let found = try #require(openTorchFile(archive(tensor)).tensors.first)
        #expect(found.dtype == dtype)
        #expect(found.shape == [2])
    }

    @Test func integers_failOnlyWhereANetworkAsksForThem() throws {
        let pickle = Pickle.dictionary([
            ("weight", Pickle.tensor(Pickle.storage("0", count: 6), shape: [6], strides: [1])),
            ("steps", Pickle.tensor(Pickle.storage("1", "LongStorage", count: 1), shape: [], strides: [])),
        ])
        let file = ZipWriter(
            pickle: Pickle.program(pickle),
            storages: Self.six + [("1", Array(repeating: 0, count: 8))]
        )
        try withTemporaryFolder { folder in
            try file.file().write(to: folder.appending(path: "pytorch_model.bin"))
            let checkpoint = try Checkpoint(folder)
            let table = KeyTable(ignoredSuffixes: ["steps"])
            #expect(checkpoint.problems(keys: table) { $0.tensor("weight", [6]) }.isEmpty)
            let found = checkpoint.problems { ($0.tensor("weight", [6]), $0.tensor("steps", [])) }
            #expect(found == [.mistyped(key: "steps", file: "pytorch_model.bin", found: "I64")])
        }
    }

    /// As pickles of protocols 4 and 5 look: frames, short strings, memoized names.
    @Test(arguments: [2, 3, 4, 5] as [UInt8])
    func protocols_areReadFromTwoToFive(version: UInt8) throws {
        let isModern = version >= 4
        func name(_ module: String, _ name: String) -> [UInt8] {
            isModern ? Pickle.stackGlobal(module, name) + [0x94] : Pickle.global(module, name) + [0x71, 9]
        }
        let storage = Pickle.tuple([
            [0x8C, 7] + Array("storage".utf8), name("torch", "FloatStorage"), Pickle.text("0"), Pickle.text("cpu"),
            [0x4B, 6],
        ])
        let arguments = Pickle.tuple([
            storage + [0x51], [0x4B, 1], [0x4B, 2, 0x4B, 2, 0x86], [0x4D, 2, 0, 0x4B, 1, 0x86], Pickle.bool(false),
            name("collections", "OrderedDict") + Pickle.emptyTuple + Pickle.reduce,
        ])
        let tensor = name("torch._utils", "_rebuild_tensor_v2") + arguments + Pickle.reduce
        let parameter =
            name("torch._utils", "_rebuild_parameter")
            + Pickle.tuple([tensor, Pickle.bool(true), Pickle.orderedDictionary]) + Pickle.reduce
        let members = Pickle.emptyDictionary + Pickle.text("a") + parameter + [0x73]
        let frame: [UInt8] = isModern ? [0x95, 1, 0, 0, 0, 0, 0, 0, 0] : []
        let pickle = Pickle.program(frame + members, version: version)
        let file = try openTorchFile(ZipWriter(pickle: pickle, storages: Self.six).file())
        #expect(file.tensors.map(\.shape) == [[2, 2]])
        #expect(file.tensors[0].tensor().array == [1, 2, 3, 4])
    }

    @Test func stateDict_mayStandBesideOtherValuesAndCarryVersions() throws {
        let tensor = Pickle.tensor(Pickle.storage("0", count: 6), shape: [6], strides: [1])
        let versions = Pickle.dictionary(
            [("", Pickle.dictionary([("version", Pickle.integer(1))]))],
            in: Pickle.orderedDictionary
        )
        let state =
            Pickle.dictionary([("a.weight", tensor), ("b.weight", tensor)], in: Pickle.orderedDictionary)
            + Pickle.dictionary([("_metadata", versions)]) + Pickle.build
        let root = Pickle.dictionary([
            ("step", Pickle.integer(-12_000)), ("loss", Pickle.float(0.5)), ("note", Pickle.text("é")),
            ("done", Pickle.bool(true)),
            ("optimizer", Pickle.dictionary([("state", Pickle.list([Pickle.tuple([tensor, Pickle.none])]))])),
            ("model_state_dict", state),
        ])
        let data = ZipWriter(pickle: Pickle.program(root), storages: Self.six).file()
        let file = try openTorchFile(data, stateDict: ["model_state_dict"])
        #expect(file.tensors.map(\.name) == ["a.weight", "b.weight"])
        #expect(
            try openTorchFile(data).tensors.map(\.name) == [
                "optimizer.state.0.0", "model_state_dict.a.weight", "model_state_dict.b.weight",
            ]
        )
        #expect(refusal(of: data, stateDict: ["note"]).contains("holds a str instead of a state dict"))
        #expect(refusal(of: data, stateDict: ["note", "x"]).contains("holds no note.x, but a str"))
        #expect(refusal(of: data, stateDict: ["ema"]).contains("holds no ema, but a dict of \"step\""))
    }

    @Test func stateDict_mayNotNameATensorTwice() {
        let tensor = Pickle.tensor(Pickle.storage("0", count: 6), shape: [6], strides: [1])
        let root = Pickle.dictionary([("a.b", tensor), ("a", Pickle.dictionary([("b", tensor)]))])
        #expect(
            refusal(of: ZipWriter(pickle: Pickle.program(root), storages: Self.six).file())
                == "tensor a.b is there twice"
        )
        #expect(refusal(ofPickle: Pickle.program(Pickle.list([]))).contains("holds a list instead of a state dict"))
        #expect(refusal(ofPickle: Pickle.program(Pickle.emptyDictionary)) == "no error, 0 tensors")
    }

    @Test func fingerprint_tellsShapesApart() throws {
        let fingerprint = try openTorchFile(view([2, 3], [3, 1])).fingerprint
        #expect(try openTorchFile(view([2, 3], [3, 1])).fingerprint == fingerprint)
        #expect(try openTorchFile(view([3, 2], [2, 1])).fingerprint != fingerprint)
    }

    @Test func file_thatIsNoFileIsAnError() {
        #expect(throws: CheckpointError.self) { try TorchFile(URL(filePath: "/nonexistent/model.pt")) }
        #expect(throws: CheckpointError.self) { try TorchFile(URL(filePath: "/tmp")) }
    }
}
