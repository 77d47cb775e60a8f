import Checkpoints
import Foundation
import Testing

/// Pickles that run code in Python, or take its memory: here they are errors that name what they ask for.
@Suite struct MaliciousPickleTests {
    private typealias Pickle = PickleWriter

    private static let command = Pickle.tuple([Pickle.text("touch /tmp/owned")])

    struct Attack: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var pickle: [UInt8]
        /// What the error has to name.
        var culprit: String

        init(_ name: String, _ pieces: [UInt8]..., naming culprit: String, version: UInt8 = 2) {
            testDescription = name
            pickle = Pickle.program(Array(pieces.joined()), version: version)
            self.culprit = culprit
        }
    }

    static let calls: [Attack] = {
        let system = Pickle.global("posix", "system")
        let ordered = Pickle.global("collections", "OrderedDict")
        return [
            Attack("os.system", Pickle.global("os", "system"), command, Pickle.reduce, naming: "os.system"),
            Attack("posix.system", system, command, Pickle.reduce, naming: "posix.system"),
            Attack("nt.system", Pickle.global("nt", "system"), command, Pickle.reduce, naming: "nt.system"),
            Attack("eval", Pickle.global("builtins", "eval"), command, Pickle.reduce, naming: "builtins.eval"),
            Attack(
                "exec of Python 2",
                Pickle.global("__builtin__", "exec"),
                command,
                Pickle.reduce,
                naming: "__builtin__.exec"
            ),
            Attack(
                "STACK_GLOBAL",
                Pickle.stackGlobal("os", "system"),
                command,
                Pickle.reduce,
                naming: "os.system",
                version: 4
            ),
            Attack(
                "STACK_GLOBAL of an attribute",
                Pickle.stackGlobal("collections", "OrderedDict.__init__.__globals__"),
                naming: "collections.OrderedDict.__init__.__globals__",
                version: 4
            ),
            Attack(
                "getattr chain",
                Pickle.global("builtins", "getattr"),
                Pickle.tuple([Pickle.global("os", "path"), Pickle.text("os")]),
                Pickle.reduce,
                naming: "builtins.getattr"
            ),
            Attack(
                "a name that is never called",
                Pickle.list([Pickle.global("subprocess", "Popen")]),
                naming: "subprocess.Popen"
            ),
            Attack(
                "beside a good tensor's name",
                Pickle.list([Pickle.global("torch._utils", "_rebuild_tensor_v2"), Pickle.global("torch", "load")]),
                naming: "torch.load"
            ),
            Attack("torch.hub", Pickle.global("torch.hub", "load"), naming: "torch.hub.load"),
            Attack(
                "an unknown storage",
                Pickle.global("torch", "ComplexFloatStorage"),
                naming: "torch.ComplexFloatStorage"
            ),
            Attack(
                "untyped storage",
                Pickle.global("torch.storage", "UntypedStorage"),
                naming: "torch.storage.UntypedStorage"
            ),
            Attack(
                "a lazy loader",
                Pickle.global("torch.storage", "_load_from_bytes"),
                naming: "torch.storage._load_from_bytes"
            ),
            Attack("numpy", Pickle.global("numpy.core.multiarray", "scalar"), naming: "numpy.core.multiarray.scalar"),
            Attack("INST", Pickle.mark, Pickle.text("x"), Array("ios\nsystem\n".utf8), naming: "os.system"),
            Attack("OBJ", Pickle.mark, ordered, Pickle.text("x"), [0x6F], naming: "OBJ of collections.OrderedDict"),
            Attack("NEWOBJ", ordered, Pickle.emptyTuple, [0x81], naming: "NEWOBJ of collections.OrderedDict"),
            Attack(
                "NEWOBJ_EX",
                ordered,
                Pickle.emptyTuple,
                Pickle.emptyDictionary,
                [0x92],
                naming: "NEWOBJ_EX of collections.OrderedDict",
                version: 4
            ),
            Attack(
                "BUILD of a dict",
                Pickle.emptyDictionary,
                Pickle.emptyDictionary,
                Pickle.build,
                naming: "BUILD of a dict"
            ),
            Attack(
                "BUILD that sets a method",
                Pickle.orderedDictionary,
                Pickle.dictionary([("__setstate__", Pickle.none)]),
                Pickle.build,
                naming: "__setstate__"
            ),
            Attack(
                "BUILD with slots",
                Pickle.orderedDictionary,
                Pickle.tuple([Pickle.none, Pickle.emptyDictionary]),
                Pickle.build,
                naming: "from a tuple"
            ),
            Attack(
                "BUILD of a class",
                ordered,
                Pickle.emptyDictionary,
                Pickle.build,
                naming: "BUILD of collections.OrderedDict"
            ),
            Attack("EXT1", [0x82, 7], naming: "extension code 7"),
            Attack("EXT2", [0x83, 1, 1], naming: "extension code 257"),
            Attack("EXT4", [0x84, 0, 0, 1, 0], naming: "extension code 65536"),
            Attack("a persistent id as text", Array("P../../secret\n".utf8), naming: "PERSID"),
            Attack("a call of a text", Pickle.text("os.system"), command, Pickle.reduce, naming: "a call of a str"),
            Attack(
                "a call of a storage's class",
                Pickle.global("torch", "FloatStorage"),
                command,
                Pickle.reduce,
                naming: "a call"
            ),
            Attack("an OrderedDict of something", ordered, command, Pickle.reduce, naming: "made from arguments"),
            Attack("bytes", [0x43, 1, 0x41], naming: "SHORT_BINBYTES", version: 4),
            Attack("a set", [0x8F], naming: "EMPTY_SET", version: 4),
            Attack("out-of-band buffers", [0x97], naming: "NEXT_BUFFER", version: 5),
            Attack("a number as text", Array("I1\n".utf8), naming: "opcode INT"),
            Attack("an evaluated string", Array("S'x'\n".utf8), naming: "opcode STRING"),
        ]
    }()

    @Test(arguments: calls)
    func pickle_isRefusedByName(attack: Attack) {
        let reason = refusal(ofPickle: attack.pickle)
        #expect(reason.contains(attack.culprit) && reason.hasPrefix("pickle, byte"), "\(reason)")
        #expect(!FileManager.default.fileExists(atPath: "/tmp/owned"))
    }

    @Test func names_areShownWithoutControlCharactersOrEnd() {
        let reason = refusal(
            ofPickle: Pickle.program(Pickle.stackGlobal("a\u{1B}[2J\n", String(repeating: "b", count: 10_000)))
        )
        #expect(!reason.contains("\n") && !reason.contains("\u{1B}") && reason.count < 300)
    }

    // MARK: - Malformed programs

    static let malformed: [Attack] = [
        Attack("a memo that was never set", Pickle.get(3), naming: "memo 3"),
        Attack("a far memo", [0x6A, 255, 255, 255, 255], naming: "memo 4294967295"),
        Attack("nothing to memoize", Pickle.put(0), naming: "nothing is on the stack"),
        Attack("nothing on the stack", naming: "nothing is on the stack"),
        Attack("an empty call", Pickle.reduce, naming: "nothing is on the stack"),
        Attack("a call across a mark", Pickle.none, Pickle.mark, Pickle.reduce, naming: "nothing is on the stack"),
        Attack("a tuple without mark", Pickle.none, [0x74], naming: "no mark"),
        Attack("a mark that is left", Pickle.mark, Pickle.none, naming: "left"),
        Attack("two values", Pickle.none, Pickle.none, naming: "left"),
        Attack("bytes after the end", Pickle.none, Pickle.stop, naming: "left"),
        Attack(
            "a key without value",
            Pickle.emptyDictionary,
            Pickle.mark,
            Pickle.text("a"),
            [0x75],
            naming: "no value"
        ),
        Attack("a list as key", Pickle.emptyDictionary, Pickle.emptyList, Pickle.none, [0x73], naming: "a list as key"),
        Attack("a key twice", Pickle.dictionary([("a", Pickle.none), ("a", Pickle.none)]), naming: "\"a\" twice"),
        Attack("items in a list", Pickle.emptyList, Pickle.text("a"), Pickle.none, [0x73], naming: "set in a list"),
        Attack("elements in a tuple", Pickle.emptyTuple, Pickle.none, [0x61], naming: "appended to a tuple"),
        Attack("an unknown opcode", [0xFF], naming: "opcode 255"),
        Attack("a second protocol", [0x80, 2], Pickle.none, naming: "protocol 2"),
        Attack(
            "a long frame",
            [0x95, 255, 255, 255, 255, 255, 255, 255, 255],
            Pickle.none,
            naming: "frame",
            version: 4
        ),
        Attack("a string of 4 GB", [0x58, 255, 255, 255, 255], naming: "cut off"),
        Attack("a string of 2^64 bytes", [0x8D], Array(repeating: 255, count: 8), naming: "cut off", version: 4),
        Attack("a long integer", [0x8A, 9], Array(repeating: 1, count: 9), naming: "integer of 9 bytes"),
        Attack("a longer integer", [0x8B, 255, 255, 255, 127], naming: "LONG4"),
        Attack("text that is none", [0x8C, 1, 0xFF], naming: "not UTF-8", version: 4),
        Attack("a name without end", Array("cposix".utf8), naming: "cut off"),
        Attack(
            "STACK_GLOBAL of numbers",
            Pickle.integer(1),
            Pickle.integer(2),
            [0x93],
            naming: "STACK_GLOBAL",
            version: 4
        ),
        Attack("protocol 1", Pickle.none, naming: "protocol 1", version: 1),
        Attack("protocol 6", Pickle.none, naming: "protocol 6", version: 6),
        Attack("a persistent id of nothing", Pickle.none, [0x51], naming: "instead of a tuple"),
        Attack(
            "a persistent id of another kind",
            Pickle.tuple([Pickle.text("module")]),
            [0x51],
            naming: "persistent id"
        ),
        Attack(
            "a storage of no class",
            Pickle.tuple([Pickle.text("storage"), Pickle.none, Pickle.text("0"), Pickle.text("cpu"), Pickle.bool(true)]
            ),
            [0x51],
            naming: "persistent id"
        ),
        Attack("hooks", tensor(hooks: Pickle.dictionary([("a", Pickle.none)])), naming: "unknown arguments"),
        Attack(
            "a negated view",
            tensor(metadata: Pickle.dictionary([("neg", Pickle.bool(true))])),
            naming: "unknown arguments"
        ),
        Attack("65 dimensions", tensor(shape: Array(repeating: 1, count: 65)), naming: "65 dimensions"),
        Attack(
            "a parameter of no tensor",
            Pickle.global("torch._utils", "_rebuild_parameter"),
            Pickle.tuple([Pickle.none, Pickle.bool(true), Pickle.orderedDictionary]),
            Pickle.reduce,
            naming: "unknown arguments"
        ),
    ]

    @Test(arguments: malformed)
    func pickle_thatIsMalformedIsAnError(attack: Attack) {
        let reason = refusal(ofPickle: attack.pickle)
        #expect(reason.contains(attack.culprit) && reason.hasPrefix("pickle, byte"), "\(reason)")
    }

    private static func tensor(
        shape: [Int] = [1],
        hooks: [UInt8] = Pickle.orderedDictionary,
        metadata: [UInt8]? = nil
    ) -> [UInt8] {
        Pickle.tensor(Pickle.storage("0", count: 1), shape: shape, strides: shape, hooks: hooks, metadata: metadata)
    }

    @Test func pickle_cutOffAnywhereIsAnError() {
        let whole = Pickle.program(
            Pickle.dictionary([
                ("a", Self.tensor()), ("b", Pickle.list([Pickle.float(1), Pickle.tuple([Pickle.integer(-1)])])),
            ])
        )
        for length in 0..<whole.count {
            let reason = refusal(ofPickle: Array(whole.prefix(length)))
            #expect(reason.hasPrefix("pickle, byte"), "\(length): \(reason)")
        }
    }

    // MARK: - Bombs

    @Test func loops_end() {
        let selfish = Pickle.emptyDictionary + Pickle.put(0) + Pickle.text("a") + Pickle.get(0) + [0x73]
        #expect(refusal(ofPickle: Pickle.program(selfish)).contains("nests deeper"))
        let list = Pickle.emptyList + Pickle.put(0) + Pickle.get(0) + [0x61]
        #expect(refusal(ofPickle: Pickle.program(Pickle.dictionary([("a", list)]))).contains("nests deeper"))
    }

    @Test func deepNesting_endsWithoutRecursion() {
        let tuples = Pickle.emptyTuple + Array(repeating: 0x85, count: 500_000)
        #expect(refusal(ofPickle: Pickle.program(Pickle.dictionary([("a", tuples)]))).contains("nests deeper"))
    }

    /// Twenty lists, each of which holds the one before ten times.
    @Test func sharedContainers_areNotUnfoldedWithoutEnd() {
        let lists: [[UInt8]] = (1...20).map { (level: UInt8) in
            Pickle.list(Array(repeating: Pickle.get(level - 1), count: 10)) + Pickle.put(level)
        }
        let first = Pickle.emptyList + Pickle.put(0)
        let bomb = Pickle.dictionary([("all", Pickle.list([first] + lists))])
        #expect(refusal(ofPickle: Pickle.program(bomb)).contains("more than 262144 values"))
    }

    @Test(arguments: [[0x28], [0x4E], [0x5D], [0x4E, 0x94]] as [[UInt8]])
    func operations_areCounted(opcodes: [UInt8]) {
        let many = [0x80, 4] + Array(repeatElement(opcodes, count: 1_200_000).joined())
        #expect(refusal(ofPickle: many).contains("more than 1048576 operations"))
    }

    @Test func names_haveALimit() {
        let key = String(repeating: "k", count: 600)
        let nested = Pickle.dictionary([(key, Pickle.dictionary([(key, Self.tensor())]))])
        #expect(refusal(ofPickle: Pickle.program(nested)).contains("longer than 1024 bytes"))
    }
}
