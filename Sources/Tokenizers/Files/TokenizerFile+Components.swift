extension TokenizerFile {
    /// NFC, nothing, or a Sequence of these.
    static func readNormalizer(_ node: JSONNode?) throws -> TextNormalizer {
        guard let node else { return .none }
        switch try node.type() {
        case "NFC":
            return .nfc
        case "Sequence":
            let parts = try node.required("normalizers").nodes().map { part in
                guard try part.type() == "NFC" else { throw part.unsupported("normalizer \(try part.type())") }
                return TextNormalizer.nfc
            }
            return parts.first ?? .none
        case let type:
            throw node.unsupported("normalizer \(type)")
        }
    }

    /// A Split by one of the known patterns, then ByteLevel without a pattern of its own.
    static func readPreTokenizer(_ node: JSONNode) throws -> PreTokenizer {
        guard try node.type() == "Sequence" else { throw node.unsupported("pre-tokenizer \(try node.type())") }
        let steps = try node.required("pretokenizers")
        let nodes = try steps.nodes()
        guard nodes.count == 2 else { throw steps.unsupported("\(nodes.count) pre-tokenizers in place of two") }
        let split = nodes[0]
        guard try split.type() == "Split" else { throw split.unsupported("pre-tokenizer \(try split.type())") }
        let pattern = try split.required("pattern").required("Regex")
        guard let preTokenizer = PreTokenizer(pattern: try pattern.bytes()) else {
            throw pattern.unsupported("the pattern \(try pattern.string().prefix(200))")
        }
        let behavior = try split.required("behavior")
        guard try behavior.string() == "Isolated" else { throw behavior.unsupported(try behavior.string()) }
        guard try !split.flag("invert") else { throw split.unsupported("an inverted pattern") }

        let byteLevel = nodes[1]
        guard try byteLevel.type() == "ByteLevel" else {
            throw byteLevel.unsupported("pre-tokenizer \(try byteLevel.type())")
        }
        // Missing flags are true in the reference library.
        guard try !byteLevel.flag("add_prefix_space", default: true) else {
            throw byteLevel.unsupported("add_prefix_space")
        }
        guard try !byteLevel.flag("use_regex", default: true) else { throw byteLevel.unsupported("use_regex") }
        return preTokenizer
    }

    /// ByteLevel alone turns ids back into bytes.
    static func checkDecoder(_ node: JSONNode) throws {
        guard try node.type() == "ByteLevel" else { throw node.unsupported("decoder \(try node.type())") }
    }
}
