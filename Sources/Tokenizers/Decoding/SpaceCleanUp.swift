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

    /// How many bytes at the end of the text might still change once more text follows. No pattern, whether complete or
    /// begun, reaches over the place before them.
    static func openEnd(of text: [UInt8]) -> Int {
        var certain = text[...]
        while true {
            let begun = begunPattern(atEndOf: certain)
            if begun == 0 { return text.count - certain.count }
            certain = certain.dropLast(begun)
        }
    }

    /// The length of the longest suffix that is a space and one of `beginnings`. Between these bytes the text can hold
    /// more spaces, which an earlier replacement may remove.
    private static func begunPattern(atEndOf text: ArraySlice<UInt8>) -> Int {
        var letters: [UInt8] = []
        var length = 0
        for (distance, byte) in text.reversed().enumerated() {
            if byte == 0x20 {
                if beginnings.contains(letters) { length = distance + 1 }
            } else {
                letters.insert(byte, at: 0)
                if letters.count > 2 { break }
            }
        }
        return length
    }
}
