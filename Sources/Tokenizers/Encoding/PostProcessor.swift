/// What is put around the ids of a text that is encoded with special tokens.
struct PostProcessor: Sendable, Equatable {
    var prefix: [Int32] = []
    var suffix: [Int32] = []

    /// Puts nothing around a text.
    init() {}

    /// Reads `post_processor` of tokenizer.json. Errors: a component other than ByteLevel, TemplateProcessing or a
    /// Sequence of them; a template without exactly one `A`; an id that the vocabulary does not have.
    init(_ node: JSONNode?, vocabulary: Vocabulary) throws {
        guard let node else { return }
        switch try node.type() {
        case "ByteLevel":
            // Concerns offsets into the text, which nothing here uses.
            break
        case "TemplateProcessing":
            try readTemplate(node, vocabulary)
        case "Sequence":
            for processor in try node.required("processors").nodes() {
                guard try processor.type() != "Sequence" else {
                    throw processor.unsupported("a Sequence in a Sequence")
                }
                let inner = try PostProcessor(processor, vocabulary: vocabulary)
                prefix = inner.prefix + prefix
                suffix += inner.suffix
            }
        case let type:
            throw node.unsupported("post-processor \(type)")
        }
    }

    private mutating func readTemplate(_ node: JSONNode, _ vocabulary: Vocabulary) throws {
        let specials = try node.required("special_tokens")
        let single = try node.required("single")
        var sequences = 0
        for piece in try single.nodes() {
            if let special = try piece.member("SpecialToken") {
                let name = try special.required("id").string()
                for id in try specials.required(name).required("ids").nodes() {
                    let value = try id.integer()
                    guard vocabulary.bytes(of: value) != nil, let value = Int32(exactly: value) else {
                        throw id.invalid("no token has the id \(value)")
                    }
                    if sequences == 0 { prefix.append(value) } else { suffix.append(value) }
                }
            } else {
                guard try piece.required("Sequence").required("id").string() == "A" else {
                    throw piece.unsupported("a sequence other than A in a template for one text")
                }
                sequences += 1
            }
        }
        guard sequences == 1 else { throw single.unsupported("a template with \(sequences) times the text") }
    }
}
