/// A token that is found in the text itself, before the text is split into words.
struct AddedToken: Sendable, Equatable {
    let id: Int32
    /// UTF-8, as the file spells it.
    let content: [UInt8]
    /// Takes the whitespace on its left with it.
    let stripsLeft: Bool
    /// Takes the whitespace on its right with it.
    let stripsRight: Bool
    /// Only found where no word character touches it.
    let isSingleWord: Bool
    /// Found in the normalised text rather than in the text as given.
    let isNormalized: Bool
    /// Left out by decoding that skips special tokens.
    let isSpecial: Bool

    /// Reads an entry of `added_tokens`, or of `added_tokens_decoder` in tokenizer_config.json.
    init(_ node: JSONNode, id: Int32) throws {
        self.id = id
        content = Array(try node.required("content").bytes())
        stripsLeft = try node.flag("lstrip")
        stripsRight = try node.flag("rstrip")
        isSingleWord = try node.flag("single_word")
        isSpecial = try node.flag("special")
        isNormalized = try node.flag("normalized", default: !isSpecial)
    }
}
