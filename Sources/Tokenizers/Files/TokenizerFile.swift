import StrictJSON

/// The parts of a tokenizer.json, checked.
struct TokenizerFile {
    var vocabulary: Vocabulary
    let model: BytePairModel
    let normalizer: TextNormalizer
    let preTokenizer: PreTokenizer
    private(set) var postProcessor = PostProcessor()
    private(set) var addedTokens: [AddedToken]
    /// Added tokens that this file or tokenizer_config.json declares special.
    private(set) var specialIDs: Set<Int32>
    private var addedTokenIndices: [Int32: Int] = [:]

    /// Reads the components. Errors: `TokenizerError` with the JSON path of what is wrong or not supported.
    init(_ root: JSONNode, configuration: JSONNode?) throws {
        let model = try root.required("model")
        vocabulary = try Self.readVocabulary(model)
        self.model = try Self.readModel(model, vocabulary)
        normalizer = try Self.readNormalizer(root.member("normalizer"))
        preTokenizer = try Self.readPreTokenizer(root.required("pre_tokenizer"))
        try Self.checkDecoder(root.required("decoder"))
        (addedTokens, specialIDs) = ([], [])
        for node in try root.member("added_tokens")?.nodes() ?? [] {
            try add(node, id: node.required("id"), replaces: false)
        }
        if let decoder = try configuration?.member("added_tokens_decoder") {
            for member in try decoder.members() {
                let node = decoder.node(of: member)
                guard let id = Int(member.key.text) else {
                    throw node.invalid("the key is not an id")
                }
                try add(node, id: JSONNode(file: node.file, path: node.path, value: .number(id)), replaces: true)
            }
        }
        postProcessor = try PostProcessor(root.member("post_processor"), vocabulary: vocabulary)
    }

    /// Adds a token, or replaces the flags of one that is there: transformers does so when it loads
    /// tokenizer_config.json after tokenizer.json.
    private mutating func add(_ node: JSONNode, id idNode: JSONNode, replaces: Bool) throws {
        let content = try node.required("content")
        let spelling = try content.bytes()
        guard !spelling.isEmpty else { throw content.invalid("an empty token") }
        let id: Int32
        if let known = vocabulary.id(ofSpelling: spelling) {
            let given = try idNode.integer()
            guard given == known else { throw idNode.invalid("the id is \(given), but the same token has \(known)") }
            id = known
        } else {
            id = try vocabulary.insert(spelling, id: idNode)
        }
        let token = try AddedToken(node, id: id)
        if token.isSpecial { specialIDs.insert(id) }
        if let index = addedTokenIndices[id] {
            guard replaces else { throw node.invalid("the token is added twice") }
            addedTokens[index] = token
        } else {
            addedTokenIndices[id] = addedTokens.count
            addedTokens.append(token)
        }
    }

    // MARK: The BPE model

    private static func readVocabulary(_ model: JSONNode) throws -> Vocabulary {
        var vocabulary = Vocabulary()
        let node = try model.required("vocab")
        for member in try node.members() {
            try vocabulary.insertModelToken(member.key.utf8, id: node.node(of: member))
        }
        return vocabulary
    }

    private static func readModel(_ model: JSONNode, _ vocabulary: Vocabulary) throws -> BytePairModel {
        if let type = try model.member("type"), try type.string() != "BPE" {
            throw type.unsupported("model \(try type.string())")
        }
        if let dropout = try model.member("dropout") {
            guard case .number(let rate) = dropout.value, rate.double == 0 else {
                throw dropout.unsupported("dropout of merges")
            }
        }
        for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let affix = try model.member(name), try !affix.bytes().isEmpty {
                throw affix.unsupported("an affix of subwords")
            }
        }
        let byteIDs = (UInt8.min...UInt8.max).map { vocabulary.id(ofBytes: [$0]) ?? -1 }
        if byteIDs.contains(-1) {
            // With a token for every byte neither of these can ever apply.
            if let unknown = try model.member("unk_token") {
                throw unknown.unsupported("an unknown token, in a vocabulary that lacks bytes")
            }
            guard try !model.flag("byte_fallback") else {
                throw try model.required("byte_fallback").unsupported("byte fallback")
            }
        }
        return BytePairModel(
            merges: try readMerges(model.required("merges"), vocabulary),
            byteIDs: byteIDs,
            ignoresMerges: try model.flag("ignore_merges")
        )
    }

    /// Merges are pairs of tokens or, in older files, both tokens in one string with a space between them.
    private static func readMerges(_ node: JSONNode, _ vocabulary: Vocabulary) throws -> MergeTable {
        let elements = try node.elements()
        // A vocabulary of 2^24 ids cannot need more merges; ranks are 32 bits.
        guard elements.count <= Vocabulary.idLimit else { throw node.invalid("\(elements.count) merges") }
        var table = MergeTable(capacity: elements.count)
        for (index, element) in elements.enumerated() {
            let (left, right) = try mergedTokens(element, at: { node.node(at: index, element) })
            func id(_ spelling: ArraySlice<UInt8>) throws -> Int32 {
                guard let id = vocabulary.id(ofSpelling: spelling) else {
                    let token = String(decoding: spelling.prefix(80), as: UTF8.self)
                    throw node.node(at: index, element).invalid("the vocabulary has no token \"\(token)\"")
                }
                return id
            }
            let merge = MergeTable.Merge(rank: UInt32(index), id: try id(left + right))
            table.insert(try id(left), try id(right), merge)
        }
        return table
    }

    private static func mergedTokens(
        _ element: JSONValue,
        at node: () -> JSONNode
    ) throws -> (ArraySlice<UInt8>, ArraySlice<UInt8>) {
        switch element {
        case .array(let pair):
            guard pair.count == 2, case .string(let left) = pair[0], case .string(let right) = pair[1] else {
                throw node().invalid("expected a pair of strings")
            }
            return (left.utf8, right.utf8)
        case .string(let text):
            let parts = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw node().invalid("expected two tokens with a space between them") }
            return (parts[0], parts[1])
        default:
            throw node().invalid("expected a pair of strings, found \(element.kind)")
        }
    }
}
