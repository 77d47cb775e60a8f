/// The added tokens of a tokenizer, ready to be found in text and left out of decoded text.
struct AddedVocabulary: Sendable {
    /// Tokens found in the text as given.
    let verbatim: AddedTokenMatcher
    /// Tokens found in the normalised text between those.
    let normalized: AddedTokenMatcher
    private let ids: Set<Int32>
    private let specialIDs: Set<Int32>

    /// `specialIDs` are the tokens that any file declares special.
    init(_ tokens: [AddedToken], specialIDs: Set<Int32>, normalizer: TextNormalizer) {
        let plain = tokens.filter { !$0.isNormalized }
        let changed = tokens.filter(\.isNormalized)
        verbatim = AddedTokenMatcher(plain, contents: plain.map(\.content))
        normalized = AddedTokenMatcher(changed, contents: changed.map { normalizer.normalize($0.content[...]) })
        ids = Set(tokens.map(\.id))
        self.specialIDs = specialIDs
    }

    func contains(_ id: Int32) -> Bool {
        ids.contains(id)
    }

    func isSpecial(_ id: Int) -> Bool {
        Int32(exactly: id).map(specialIDs.contains) ?? false
    }
}
