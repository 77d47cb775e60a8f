/// Runs the program that a pickle is, on a machine that knows tensors and plain containers and nothing else.
///
/// Python's machine calls whatever a pickle names. This one has no way to call anything: names are compared with the
/// few of `TorchGlobal`, whose effects are written out here. Protocols 2 to 5, as `torch.save` writes them.
struct PickleMachine {
    /// A tensor takes some 35 operations, a state dict of a thousand 35,000. Everything that the machine keeps comes
    /// from an operation, so that this bounds its memory to some hundred megabytes for the worst of pickles.
    private static let operationLimit = 1 << 20

    private(set) var heap = PickleHeap()
    private var reader: ByteReader
    private var stack: [PickleValue] = []
    /// Heights of the stack.
    private var marks: [Int] = []
    private var memo: [Int: PickleValue] = [:]
    /// Where the operation begins that runs, for messages.
    private var start = 0

    /// - Throws: `FormatError` naming what is not known here, or saying what breaks the format.
    static func run(_ bytes: [UInt8]) throws(FormatError) -> (root: PickleValue, heap: PickleHeap) {
        var machine = PickleMachine(reader: ByteReader(bytes[...]))
        do {
            let root = try machine.run()
            return (root, machine.heap)
        } catch let error as FormatError {
            throw error
        } catch {
            throw machine.refusal("the pickle is cut off")
        }
    }

    private init(reader: ByteReader) { self.reader = reader }

    private mutating func run() throws -> PickleValue {
        for _ in 0..<Self.operationLimit {
            start = reader.offset
            let code = try reader.integer(UInt8.self)
            guard let opcode = PickleOpcode(rawValue: code) else { throw refusal("unknown opcode \(code)") }
            guard start > 0 || opcode == .proto else { throw refusal("no pickle of protocol 2 to 5") }
            if opcode == .stop { return try result() }
            try execute(opcode)
        }
        throw refusal("the pickle has more than \(Self.operationLimit) operations")
    }

    private mutating func result() throws -> PickleValue {
        let root = try pop()
        guard stack.isEmpty, marks.isEmpty, reader.remaining == 0 else {
            throw refusal("values or bytes are left where the pickle ends")
        }
        return root
    }

    private mutating func execute(_ opcode: PickleOpcode) throws {
        switch opcode {
        case .proto:
            let version = try reader.integer(UInt8.self)
            guard start == 0, (2...5).contains(version) else { throw refusal("pickle protocol \(version)") }
        case .frame:
            let count = try reader.integer(UInt64.self)
            guard count <= reader.remaining else {
                throw refusal("a frame of \(count) bytes is longer than the pickle")
            }
        case .mark: marks.append(stack.count)

        case .none: stack.append(.none)
        case .newTrue: stack.append(.bool(true))
        case .newFalse: stack.append(.bool(false))
        case .binInt: stack.append(.integer(Int(try reader.integer(Int32.self))))
        case .binInt1: stack.append(.integer(Int(try reader.integer(UInt8.self))))
        case .binInt2: stack.append(.integer(Int(try reader.integer(UInt16.self))))
        case .long1: stack.append(.integer(try long()))
        case .binFloat:
            stack.append(.float(Double(bitPattern: try reader.integer(UInt64.self).byteSwapped)))
        case .shortBinUnicode: stack.append(.text(try text(reader.integer(UInt8.self))))
        case .binUnicode: stack.append(.text(try text(reader.integer(UInt32.self))))
        case .binUnicode8: stack.append(.text(try text(reader.integer(UInt64.self))))

        case .emptyList: stack.append(.list(allocate([])))
        case .append: try extend(with: [pop()])
        case .appends: try extend(with: popToMark())
        case .emptyTuple: stack.append(.tuple(allocate([])))
        case .tuple1: try makeTuple(1)
        case .tuple2: try makeTuple(2)
        case .tuple3: try makeTuple(3)
        case .tuple:
            let elements = try popToMark()
            stack.append(.tuple(allocate(elements)))
        case .emptyDict: stack.append(.dictionary(allocateDictionary(isOrdered: false)))
        case .setItem:
            let value = try pop()
            try update(with: [pop(), value])
        case .setItems: try update(with: popToMark())

        case .binPut: memo[Int(try reader.integer(UInt8.self))] = try top()
        case .longBinPut: memo[Int(try reader.integer(UInt32.self))] = try top()
        case .memoize: memo[memo.count] = try top()
        case .binGet: try recall(Int(reader.integer(UInt8.self)))
        case .longBinGet: try recall(Int(reader.integer(UInt32.self)))

        case .global:
            let module = try string(reader.line())
            try refer(module, string(reader.line()))
        case .stackGlobal:
            guard case .text(let name) = try pop(), case .text(let module) = try pop() else {
                throw refusal("STACK_GLOBAL without two strings")
            }
            try refer(module, name)
        case .reduce:
            let arguments = try pop()
            stack.append(try call(pop(), arguments))
        case .build:
            let state = try pop()
            try setAttributes(state)
        case .binPersID:
            let identifier = try pop()
            stack.append(.storage(try storage(identifier)))

        case .inst:
            let module = try string(reader.line())
            throw refusal("INST of \(quoted(module, try string(reader.line()))): \(Self.rule)")
        case .obj, .newObj, .newObjEx:
            let classes = stack.compactMap { if case .global(let global) = $0 { global.description } else { nil } }
            throw refusal("\(opcode.name) of \(classes.last ?? "no class"): \(Self.rule)")
        case .ext1: throw refusal("extension code \(try reader.integer(UInt8.self)): \(Self.rule)")
        case .ext2: throw refusal("extension code \(try reader.integer(UInt16.self)): \(Self.rule)")
        case .ext4: throw refusal("extension code \(try reader.integer(Int32.self)): \(Self.rule)")
        default: throw refusal("opcode \(opcode.name): \(Self.rule)")
        }
    }

    private static let rule = "only tensors and plain containers are read, and nothing is executed"

    private func refusal(_ reason: String) -> FormatError { FormatError("pickle, byte \(start): \(reason)") }
}

// MARK: - Stack and memo

extension PickleMachine {
    private func top() throws -> PickleValue {
        guard let value = stack.last, stack.count > marks.last ?? 0 else { throw refusal("nothing is on the stack") }
        return value
    }

    private mutating func pop() throws -> PickleValue {
        let value = try top()
        stack.removeLast()
        return value
    }

    private mutating func popToMark() throws -> [PickleValue] {
        guard let mark = marks.popLast() else { throw refusal("no mark is on the stack") }
        defer { stack.removeSubrange(mark...) }
        return Array(stack[mark...])
    }

    private mutating func recall(_ index: Int) throws {
        guard let value = memo[index] else { throw refusal("memo \(index) was never set") }
        stack.append(value)
    }
}

// MARK: - Plain values

extension PickleMachine {
    /// An integer of up to 8 bytes; torch needs no longer ones.
    private mutating func long() throws -> Int {
        let bytes = try reader.take(reader.integer(UInt8.self))
        guard bytes.count <= 8 else { throw refusal("an integer of \(bytes.count) bytes") }
        let isNegative = bytes.last.map { $0 >= 0x80 } ?? false
        return bytes.reversed().reduce(isNegative ? -1 : 0) { $0 << 8 | Int($1) }
    }

    private mutating func text(_ count: some BinaryInteger) throws -> String { try string(reader.take(count)) }

    private func string(_ bytes: ArraySlice<UInt8>) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw refusal("a string is not UTF-8") }
        return text
    }

    private mutating func allocate(_ elements: [PickleValue]) -> Int {
        heap.sequences.append(elements)
        return heap.sequences.count - 1
    }

    private mutating func allocateDictionary(isOrdered: Bool) -> Int {
        heap.dictionaries.append(PickleDictionary(isOrderedDictionary: isOrdered))
        return heap.dictionaries.count - 1
    }

    private mutating func makeTuple(_ count: Int) throws {
        var elements: [PickleValue] = []
        for _ in 0..<count { elements.append(try pop()) }
        stack.append(.tuple(allocate(elements.reversed())))
    }

    private mutating func extend(with elements: [PickleValue]) throws {
        let target = try top()
        guard case .list(let handle) = target else { throw refusal("elements are appended to \(target.kind)") }
        heap.sequences[handle] += elements
    }

    /// - Parameter pairs: keys and values in turn
    private mutating func update(with pairs: [PickleValue]) throws {
        let target = try top()
        guard case .dictionary(let handle) = target else { throw refusal("items are set in \(target.kind)") }
        guard pairs.count.isMultiple(of: 2) else { throw refusal("a key has no value") }
        for index in stride(from: 0, to: pairs.count, by: 2) {
            let key: PickleDictionary.Key =
                switch pairs[index] {
                case .text(let text): .text(text)
                case .integer(let number): .integer(number)
                default: throw refusal("a dict has \(pairs[index].kind) as key")
                }
            guard heap.dictionaries[handle].insert(pairs[index + 1], for: key) else {
                throw refusal("a dict has the key \(quoted(key.text)) twice")
            }
        }
    }

    /// Names come from the file: shown without control characters, and not without end.
    private func quoted(_ parts: String...) -> String {
        String(parts.joined(separator: ".").prefix(120)).debugDescription
    }
}

// MARK: - Tensors

extension PickleMachine {
    private mutating func refer(_ module: String, _ name: String) throws {
        guard let global = TorchGlobal(module: module, name: name) else {
            throw refusal("\(quoted(module, name)): \(Self.rule)")
        }
        stack.append(.global(global))
    }

    /// What the call of a known name comes to.
    private mutating func call(_ callee: PickleValue, _ arguments: PickleValue) throws -> PickleValue {
        guard case .global(let global) = callee else { throw refusal("a call of \(callee.kind)") }
        let arguments = try elements(ofTuple: arguments)
        switch global {
        case .orderedDictionary:
            guard arguments.isEmpty else { throw refusal("an OrderedDict made from arguments") }
            return .dictionary(allocateDictionary(isOrdered: true))
        case .rebuildTensor: return .tensor(try tensor(arguments))
        case .rebuildParameter:
            guard arguments.count == 3, case .tensor = arguments[0], case .bool = arguments[1],
                isEmptyDictionary(arguments[2])
            else { throw refusal("unknown arguments of \(global)") }
            return arguments[0]
        case .storage: throw refusal("a call of \(global)")
        }
    }

    /// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks, metadata)`: hooks would be
    /// functions, and metadata would say that the elements are to be negated or conjugated.
    private func tensor(_ arguments: [PickleValue]) throws -> TorchTensor {
        guard (6...7).contains(arguments.count), case .storage(let storage) = arguments[0],
            case .integer(let offset) = arguments[1], case .bool = arguments[4], isEmptyDictionary(arguments[5]),
            arguments.count == 6 || isEmptyDictionary(arguments[6])
        else { throw refusal("unknown arguments of \(TorchGlobal.rebuildTensor)") }
        return TorchTensor(
            storage: storage,
            offset: offset,
            shape: try integers(ofTuple: arguments[2]),
            strides: try integers(ofTuple: arguments[3])
        )
    }

    /// `("storage", class, key, device, count)`
    private func storage(_ identifier: PickleValue) throws -> TorchStorage {
        let parts = try elements(ofTuple: identifier)
        guard parts.count == 5, case .text("storage") = parts[0], case .global(.storage(let dtype)) = parts[1],
            case .text(let key) = parts[2], case .text = parts[3], case .integer(let count) = parts[4]
        else { throw refusal("an unknown persistent id") }
        return TorchStorage(key: key, dtype: dtype, count: count)
    }

    /// A state dict carries the versions of its modules as an attribute; nothing here needs it.
    private func setAttributes(_ state: PickleValue) throws {
        let target = try top()
        guard case .dictionary(let handle) = target, heap.dictionaries[handle].isOrderedDictionary,
            case .dictionary(let attributes) = state
        else { throw refusal("BUILD of \(target.kind) from \(state.kind): \(Self.rule)") }
        if let other = heap.dictionaries[attributes].keys.first(where: { $0 != .text("_metadata") }) {
            throw refusal("BUILD sets attribute \(quoted(other.text)): \(Self.rule)")
        }
    }

    private func elements(ofTuple value: PickleValue) throws -> [PickleValue] {
        guard case .tuple(let handle) = value else { throw refusal("\(value.kind) instead of a tuple") }
        return heap.sequences[handle]
    }

    /// PyTorch's own limit; a long shape that many tensors share would fill memory.
    private static let rankLimit = 64

    private func integers(ofTuple value: PickleValue) throws -> [Int] {
        let elements = try elements(ofTuple: value)
        guard elements.count <= Self.rankLimit else { throw refusal("a tensor of \(elements.count) dimensions") }
        return try elements.map {
            guard case .integer(let number) = $0 else { throw refusal("\($0.kind) instead of an int") }
            return number
        }
    }

    private func isEmptyDictionary(_ value: PickleValue) -> Bool {
        switch value {
        case .none: true
        case .dictionary(let handle): heap.dictionaries[handle].keys.isEmpty
        default: false
        }
    }
}
