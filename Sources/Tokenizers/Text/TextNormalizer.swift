/// What happens to text before it is split into words.
enum TextNormalizer: Sendable, Equatable {
    case none
    /// Canonical composition.
    case nfc

    func normalize(_ text: ArraySlice<UInt8>) -> [UInt8] {
        // Below U+0300 (CC 80) nothing combines: such text is in NFC already.
        guard self == .nfc, text.contains(where: { $0 >= 0xCC }) else { return Array(text) }
        return Array(CanonicalComposition.compose(String(decoding: text, as: UTF8.self)).utf8)
    }
}
