import Foundation

@testable import Tokenizers

/// A tokenizer.json small enough to be changed in a test: a token for every byte, then `merges`.
struct SmallTokenizer {
    /// The token that stands for each byte.
    static let alphabet: [String] = {
        var next = 0x100
        return (0..<0x100).map { byte in
            var code = byte
            if !(0x21...0x7E).contains(byte), !(0xA1...0xAC).contains(byte), !(0xAE...0xFF).contains(byte) {
                code = next
                next += 1
            }
            return String(UnicodeScalar(code).map(Character.init) ?? "?")
        }
    }()

    var tokens = alphabet
    /// JSON of the members that tests replace.
    var merges = "[]"
    var addedTokens = "[]"
    var normalizer = "null"
    var preTokenizer = """
        {"type": "Sequence", "pretokenizers": [
          {"type": "Split", "behavior": "Isolated", "invert": false, "pattern": {"Regex": "\(llama3Pattern)"}},
          {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}
        """
    var postProcessor = "null"
    var decoder = #"{"type": "ByteLevel"}"#
    var modelOptions = ""
    /// Replaces the whole of `vocab`.
    var vocabulary: String?

    static let llama3Pattern =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"#
        + #"|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"#

    /// Adds merged tokens, each given as "left right".
    init(merges: [String] = []) {
        tokens += merges.map { $0.replacingOccurrences(of: " ", with: "") }
        self.merges = "[" + merges.map { "\"\($0)\"" }.joined(separator: ",") + "]"
    }

    static func added(_ content: String, id: Int, _ flags: String = "") -> String {
        #"{"id": \#(id), "content": "\#(content)", "special": true, "normalized": false\#(flags)}"#
    }

    var json: String {
        let entries = tokens.enumerated().map { index, token in
            let escaped = token.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(
                of: "\"",
                with: "\\\""
            )
            return "\"\(escaped)\": \(index)"
        }
        let vocabulary = self.vocabulary ?? "{" + entries.joined(separator: ",") + "}"
        return """
            {"added_tokens": \(addedTokens), "normalizer": \(normalizer), "pre_tokenizer": \(preTokenizer),
             "post_processor": \(postProcessor), "decoder": \(decoder),
             "model": {"type": "BPE", \(modelOptions) "vocab": \(vocabulary), "merges": \(merges)}}
            """
    }

    func load(configuration: String? = nil) throws -> Tokenizer {
        try Tokenizer(
            Self.node(json, "tokenizer.json"),
            configuration: configuration.map { try Self.node($0, "config.json") }
        )
    }

    static func node(_ json: String, _ file: String) throws -> JSONNode {
        try JSONNode(parsing: Array(json.utf8), file: file)
    }
}
