/// A string of a JSON text as its bytes.
///
/// Swift's `String` compares by canonical equivalence, so that two tokens of a vocabulary which differ only in their
/// composition would be one key. This type compares bytes.
package struct JSONString: Sendable, Hashable, ExpressibleByStringLiteral, CustomStringConvertible {
    /// Valid UTF-8, escapes resolved; a slice of the document where there were none.
    package let utf8: ArraySlice<UInt8>

    package init(_ text: String) {
        utf8 = Array(text.utf8)[...]
    }

    /// - Parameter utf8: known to be valid.
    init(validated utf8: ArraySlice<UInt8>) {
        self.utf8 = utf8
    }

    package init(stringLiteral value: String) { self.init(value) }

    /// The longest run of marks, which combine with the character before them. Whoever normalises a text, as Swift does to
    /// compare strings, sorts each run: in time quadratic in its length.
    package var longestMarkRun: Int {
        // Marks begin at U+0300, and with this byte.
        guard utf8.contains(where: { $0 >= 0xCC }) else { return 0 }
        var (longest, run) = (0, 0)
        for scalar in text.unicodeScalars {
            let properties = scalar.properties
            let isMark =
                properties.canonicalCombiningClass != .notReordered || properties.generalCategory == .nonspacingMark
            run = isMark ? run + 1 : 0
            longest = max(longest, run)
        }
        return longest
    }

    package var text: String { String(decoding: utf8, as: UTF8.self) }
    package var description: String { text }

    /// All bytes at once: an array's own hash takes them one by one, many times slower.
    package func hash(into hasher: inout Hasher) {
        utf8.withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}
