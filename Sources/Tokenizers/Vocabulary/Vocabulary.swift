/// Ids, the spellings of their tokens, and the bytes that they stand for.
struct Vocabulary: Sendable {
    /// Published vocabularies end below 300,000 ids; the limit bounds the tables that a hostile file can ask for.
    static let idLimit = 1 << 24

    /// Spelling as in the file (UTF-8) → id.
    private var spellings = ByteStringTable()
    /// The bytes of a token of the BPE model → id; tokens outside the byte alphabet can never be produced by merges.
    private var modelTokens = ByteStringTable()
    /// Decoded tokens one after another, and the range of each id; nil for ids without a token.
    private var storage: [UInt8] = []
    private var ranges: [Range<Int>?] = []

    /// Adds a token of the BPE model. Errors: the id is out of range or taken, the spelling is taken.
    mutating func insertModelToken(_ spelling: ArraySlice<UInt8>, id node: JSONNode) throws {
        let id = try insert(spelling, id: node)
        if let bytes = ByteAlphabet.decode(spelling) {
            // The alphabet maps one to one, so a new spelling has new bytes.
            _ = modelTokens.insert(bytes[...], id: id)
        }
    }

    /// Adds a token with the id that a node holds. Errors: the id is out of range or taken, the spelling is taken.
    @discardableResult
    mutating func insert(_ spelling: ArraySlice<UInt8>, id node: JSONNode) throws -> Int32 {
        let id = try node.integer()
        guard (0..<Self.idLimit).contains(id) else {
            throw node.invalid("id \(id) is not in 0..<\(Self.idLimit)")
        }
        guard bytes(of: id) == nil else { throw node.invalid("id \(id) is given twice") }
        guard spellings.insert(spelling, id: Int32(id)) else { throw node.invalid("the token is given twice") }
        if id >= ranges.count {
            ranges += [Range<Int>?](repeating: nil, count: id + 1 - ranges.count)
        }
        let start = storage.count
        if let bytes = ByteAlphabet.decode(spelling) {
            storage += bytes
        } else {
            storage += spelling
        }
        ranges[id] = start..<storage.count
        return Int32(id)
    }

    /// One more than the highest id; ids below it may be without a token.
    var size: Int { ranges.count }

    /// The id of a token as the file spells it.
    func id(ofSpelling spelling: ArraySlice<UInt8>) -> Int32? {
        spellings[spelling]
    }

    /// The id of the BPE token that stands for exactly these bytes.
    func id(ofBytes bytes: ArraySlice<UInt8>) -> Int32? {
        modelTokens[bytes]
    }

    /// What an id decodes to; nil for an id without a token, whatever its value.
    func bytes(of id: Int) -> ArraySlice<UInt8>? {
        guard ranges.indices.contains(id), let range = ranges[id] else { return nil }
        return storage[range]
    }
}
