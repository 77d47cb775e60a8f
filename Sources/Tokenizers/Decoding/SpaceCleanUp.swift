/// transformers' `clean_up_tokenization`: no space before punctuation and English contractions.
enum SpaceCleanUp {
    /// Applied one after another over the whole text; each removes only spaces.
    private static let replacements: [(pattern: [UInt8], replacement: [UInt8])] = [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"),
        (" n't", "n't"), (" 'm", "'m"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ].map { (Array($0.0.utf8), Array($0.1.utf8)) }

    /// What a pattern can begin with behind its space; see `openEnd`.
    private static let beginnings = ["", "'", "n", "n'", "'v", "'r"].map { Array($0.utf8) }

    /// The text without the spaces.
    static func apply(_ text: some Collection<UInt8>) -> [UInt8] {
        replacements.reduce(Array(text)) { text, rule in
            var result: [UInt8] = []
            result.reserveCapacity(text.count)
            var position = 0
            while position < text.count {
                if text[position] == 0x20, text[position...].starts(with: rule.pattern) {
                    result += rule.replacement
                    position += rule.pattern.count
                } else {
                    result.append(text[position])
                    position += 1
                }
            }
            return result
        }
    }

    /// How many bytes at the end of the text might still change once more text follows.
    ///
    /// A pattern that reaches over the end begins with a space and goes on with one of `beginnings`; between these
    /// bytes the text can hold more spaces, which an earlier replacement may remove.
    static func openEnd(of text: [UInt8]) -> Int {
        var letters: [UInt8] = []
        var open = 0
        for (distance, byte) in text.reversed().enumerated() {
            if byte == 0x20 {
                if beginnings.contains(letters) { open = distance + 1 }
            } else {
                letters.insert(byte, at: 0)
                if letters.count > 2 { break }
            }
        }
        return open
    }
}
