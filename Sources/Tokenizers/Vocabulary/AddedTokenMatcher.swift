/// Finds added tokens in text: leftmost first, the longest of those that begin together.
struct AddedTokenMatcher: Sendable {
    struct Match {
        var token: AddedToken
        var range: Range<Int>
    }

    private let tokens: [AddedToken]
    /// A trie: `node << 8 | byte` → node. Node 0 is the root.
    private var edges: [UInt64: Int] = [:]
    /// The index of the token that ends at each node; -1 for none.
    private var ends = [-1]
    /// Whether some token begins with the byte, so that most positions cost one look.
    private var begins = [Bool](repeating: false, count: 256)

    /// `contents` are what is looked for: the tokens' contents, normalised for tokens that are.
    init(_ tokens: [AddedToken], contents: [[UInt8]]) {
        self.tokens = tokens
        for (index, content) in contents.enumerated() {
            guard let first = content.first else { continue }
            begins[Int(first)] = true
            var node = 0
            for byte in content {
                let edge = UInt64(node) << 8 | UInt64(byte)
                if let next = edges[edge] {
                    node = next
                } else {
                    edges[edge] = ends.count
                    node = ends.count
                    ends.append(-1)
                }
            }
            // Of two tokens with one normalised form the first is found.
            if ends[node] < 0 { ends[node] = index }
        }
    }

    var isEmpty: Bool { edges.isEmpty }

    /// The longest token at `position` that ends at or before `limit`.
    private func longest(in text: [UInt8], at position: Int, limit: Int) -> (index: Int, end: Int)? {
        guard begins[Int(text[position])] else { return nil }
        var node = 0
        var found: (index: Int, end: Int)?
        for end in position..<limit {
            guard let next = edges[UInt64(node) << 8 | UInt64(text[end])] else { break }
            node = next
            if ends[node] >= 0 { found = (ends[node], end + 1) }
        }
        return found
    }

    /// All matches that lie inside one of the `trusted` ranges (ascending, apart from each other), with the whitespace
    /// that they take. Matches never overlap.
    func matches(in text: [UInt8], trusted: [Range<Int>]) -> [Match] {
        var matches: [Match] = []
        guard !isEmpty else { return matches }
        var taken = 0
        for range in trusted {
            var position = range.lowerBound
            while position < range.upperBound {
                guard let (index, end) = longest(in: text, at: position, limit: range.upperBound) else {
                    position += 1
                    continue
                }
                let token = tokens[index]
                let bare = position..<end
                position = end
                if token.isSingleWord && Self.touchesWord(text, bare) { continue }
                let start = token.stripsLeft ? Self.spaceStart(text, before: bare.lowerBound) : bare.lowerBound
                let stop = token.stripsRight ? Self.spaceEnd(text, after: end) : end
                // Whitespace that an earlier token took is not taken again.
                let lower = max(start, taken)
                matches.append(Match(token: token, range: lower..<max(stop, lower)))
                taken = max(stop, lower)
            }
        }
        return matches
    }

    private static func touchesWord(_ text: [UInt8], _ range: Range<Int>) -> Bool {
        if range.lowerBound > 0 {
            let (code, _) = UTF8Scalars.scalar(in: text, before: range.lowerBound, start: 0)
            if isWordCharacter(code) { return true }
        }
        guard range.upperBound < text.count else { return false }
        return isWordCharacter(UTF8Scalars.scalar(in: text, at: range.upperBound, end: text.count).code)
    }

    private static func spaceStart(_ text: [UInt8], before position: Int) -> Int {
        var position = position
        while position > 0 {
            let (code, start) = UTF8Scalars.scalar(in: text, before: position, start: 0)
            guard CharacterClass(code).isWhitespace else { break }
            position = start
        }
        return position
    }

    private static func spaceEnd(_ text: [UInt8], after position: Int) -> Int {
        var position = position
        while position < text.count {
            let (code, next) = UTF8Scalars.scalar(in: text, at: position, end: text.count)
            guard CharacterClass(code).isWhitespace else { break }
            position = next
        }
        return position
    }

    /// `\w` (Unicode TR 18, annex C): alphabetic, marks, decimal digits, connectors and joiners.
    private static func isWordCharacter(_ code: UInt32) -> Bool {
        guard let properties = Unicode.Scalar(code)?.properties else { return false }
        if properties.isAlphabetic || properties.isJoinControl { return true }
        switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
        default: return false
        }
    }
}
