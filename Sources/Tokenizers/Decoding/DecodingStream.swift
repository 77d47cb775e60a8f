/// Turns ids into text one by one. The texts it returns, one after another, are what `decode` returns for all ids.
package struct DecodingStream: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecialTokens: Bool
    /// Bytes that the next ids may complete to a character.
    private var pendingBytes: [UInt8] = []
    /// Valid UTF-8 whose spaces the next ids may still remove.
    private var pendingText: [UInt8] = []

    init(tokenizer: Tokenizer, skipsSpecialTokens: Bool) {
        self.tokenizer = tokenizer
        self.skipsSpecialTokens = skipsSpecialTokens
    }

    /// Takes the next id and returns the text that is certain from now on, often "". Any id is safe; one without a
    /// token adds nothing.
    package mutating func append(_ id: Int) -> String {
        pendingBytes += tokenizer.bytes(of: id, skipSpecialTokens: skipsSpecialTokens)
        return advance(keeping: UTF8Scalars.incompleteTail(of: pendingBytes))
    }

    /// Returns what was held back; an incomplete character becomes U+FFFD. The stream can be used anew afterwards.
    package mutating func finish() -> String {
        let text = advance(keeping: 0)
        guard tokenizer.configuration.cleansUpSpaces else { return text }
        defer { pendingText = [] }
        return text + String(decoding: SpaceCleanUp.apply(pendingText), as: UTF8.self)
    }

    private mutating func advance(keeping tail: Int) -> String {
        let text = String(decoding: pendingBytes.dropLast(tail), as: UTF8.self)
        pendingBytes.removeFirst(pendingBytes.count - tail)
        guard tokenizer.configuration.cleansUpSpaces else { return text }
        pendingText += text.utf8
        let open = SpaceCleanUp.openEnd(of: pendingText)
        let certain = SpaceCleanUp.apply(pendingText.dropLast(open))
        pendingText.removeFirst(pendingText.count - open)
        return String(decoding: certain, as: UTF8.self)
    }
}
