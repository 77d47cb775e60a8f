import StrictJSON

/// What tokenizer_config.json adds to tokenizer.json; transformers' defaults where the file or a field is missing.
package struct TokenizerConfiguration: Sendable, Equatable {
    /// The text of the token that begins a sequence.
    package let bosToken: String?
    /// The text of the token that ends a sequence.
    package let eosToken: String?
    /// The text of the token that fills up shorter sequences.
    package let padToken: String?
    /// The longest input in tokens; nil where the file gives none or, as many do, a number that means "no limit".
    package let modelMaxLength: Int?
    /// Whether decoded text loses the spaces before punctuation and contractions. False where the field is missing, as
    /// in transformers since 4.45.
    package let cleansUpSpaces: Bool

    init(_ node: JSONNode?) throws {
        /// Tokens are strings, or objects with their content.
        func token(_ name: String) throws -> String? {
            guard let token = try node?.member(name) else { return nil }
            if case .object = token.value { return try token.required("content").string() }
            return try token.string()
        }
        bosToken = try token("bos_token")
        eosToken = try token("eos_token")
        padToken = try token("pad_token")
        cleansUpSpaces = try node?.flag("clean_up_tokenization_spaces") ?? false
        if let length = try node?.member("model_max_length"), case .number(let number) = length.value {
            modelMaxLength = number.integer
        } else {
            modelMaxLength = nil
        }
        guard let node, try node.flag("split_special_tokens") else { return }
        throw try node.required("split_special_tokens").unsupported("special tokens that are split")
    }
}
