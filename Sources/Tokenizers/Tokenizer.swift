package import Foundation

/// Byte-level BPE as a Hugging Face tokenizer.json describes it: text to ids and ids to text, equal to the reference
/// library for the components it has (`TokenizerError.unsupported` names any other).
package struct Tokenizer: Sendable {
    /// What tokenizer_config.json says.
    package let configuration: TokenizerConfiguration
    let vocabulary: Vocabulary
    let addedVocabulary: AddedVocabulary
    let normalizer: TextNormalizer
    let preTokenizer: PreTokenizer
    let model: BytePairModel
    let postProcessor: PostProcessor

    /// Loads a tokenizer.json, and the tokenizer_config.json beside it where there is one.
    ///
    /// Errors: `TokenizerError`, with the file and the JSON path.
    package init(contentsOf file: URL) throws {
        let configurationFile = file.deletingLastPathComponent().appendingPathComponent("tokenizer_config.json")
        let hasConfiguration = FileManager.default.fileExists(atPath: configurationFile.path)
        try self.init(
            JSONNode(contentsOf: file),
            configuration: hasConfiguration ? JSONNode(contentsOf: configurationFile) : nil
        )
    }

    init(_ file: JSONNode, configuration: JSONNode?) throws {
        let parts = try TokenizerFile(file, configuration: configuration)
        self.configuration = try TokenizerConfiguration(configuration)
        vocabulary = parts.vocabulary
        addedVocabulary = AddedVocabulary(
            parts.addedTokens,
            specialIDs: parts.specialIDs,
            normalizer: parts.normalizer
        )
        normalizer = parts.normalizer
        preTokenizer = parts.preTokenizer
        model = parts.model
        postProcessor = parts.postProcessor
    }

    /// One more than the highest id, added tokens included: the rows that a table of tokens needs.
    package var vocabularySize: Int { vocabulary.size }

    /// The id of the token that the file spells with exactly these UTF-8 bytes (a space is `Ġ` in tokens of the model).
    package func id(of token: String) -> Int? {
        vocabulary.id(ofSpelling: Array(token.utf8)[...]).map(Int.init)
    }

    // MARK: Decoding

    /// The text of ids. Bytes that are not UTF-8 become U+FFFD; ids without a token, of any value, are left out.
    package func decode(_ ids: [Int], skipSpecialTokens: Bool) -> String {
        let bytes = ids.flatMap { self.bytes(of: $0, skipSpecialTokens: skipSpecialTokens) }
        let text = String(decoding: bytes, as: UTF8.self)
        return configuration.cleansUpSpaces ? String(decoding: SpaceCleanUp.apply(text.utf8), as: UTF8.self) : text
    }

    /// A decoder for ids that come one by one.
    package func makeStream(skipSpecialTokens: Bool) -> DecodingStream {
        DecodingStream(tokenizer: self, skipsSpecialTokens: skipSpecialTokens)
    }

    /// The bytes of one id; none for an id without a token, or for a special token that is skipped.
    func bytes(of id: Int, skipSpecialTokens: Bool) -> ArraySlice<UInt8> {
        if skipSpecialTokens, addedVocabulary.isSpecial(id) { return [] }
        return vocabulary.bytes(of: id) ?? []
    }
}
