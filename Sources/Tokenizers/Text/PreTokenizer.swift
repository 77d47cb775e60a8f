/// Splits text into the words that BPE works on, as the pattern of the file would.
///
/// Both known patterns are seven alternatives, tried in order at every position:
///
///     (?i:'s|'t|'re|'ve|'m|'ll|'d)  |  [^\r\n\p{L}\p{N}]?\p{L}+  |  \p{N}{1,3}  |  ?[^\s\p{L}\p{N}]+[\r\n]*
///     |  \s*[\r\n]+  |  \s+(?!\S)  |  \s+
///
/// They differ in how many digits make a word, and together they match every character.
struct PreTokenizer: Sendable, Equatable {
    /// The longest run of numbers in one word.
    let numberLength: Int

    static let llama3 = PreTokenizer(numberLength: 3)
    static let qwen2 = PreTokenizer(numberLength: 1)

    /// The pre-tokenizer whose pattern has exactly this text.
    init?(pattern: some Sequence<UInt8>) {
        func isPattern(numbers: String) -> Bool {
            let text =
                #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + numbers
                + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
            return pattern.elementsEqual(text.utf8)
        }
        if isPattern(numbers: #"\p{N}{1,3}"#) {
            self = .llama3
        } else if isPattern(numbers: #"\p{N}"#) {
            self = .qwen2
        } else {
            return nil
        }
    }

    private init(numberLength: Int) {
        self.numberLength = numberLength
    }

    /// Calls `body` with the range of every word of `text[range]`; the range is a text of its own, without context.
    func forEachWord(in text: [UInt8], _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        var start = range.lowerBound
        while start < range.upperBound {
            let end = wordEnd(in: text, from: start, limit: range.upperBound)
            body(start..<end)
            start = end
        }
    }

    private func wordEnd(in text: [UInt8], from start: Int, limit: Int) -> Int {
        if text[start] == UInt8(ascii: "'"), let end = contractionEnd(in: text, from: start, limit: limit) {
            return end
        }
        func character(_ position: Int) -> (kind: CharacterClass, next: Int) {
            let (code, next) = UTF8Scalars.scalar(in: text, at: position, end: limit)
            return (CharacterClass(code), next)
        }
        /// The end of the run of characters from `position` on for which the condition holds.
        func run(_ position: Int, while condition: (CharacterClass) -> Bool) -> Int {
            var position = position
            while position < limit {
                let (kind, next) = character(position)
                guard condition(kind) else { break }
                position = next
            }
            return position
        }

        let (first, second) = character(start)
        switch first {
        case .letter:
            return run(second) { $0 == .letter }
        case .number:
            var end = second
            for _ in 1..<numberLength where end < limit {
                let (kind, next) = character(end)
                guard kind == .number else { break }
                end = next
            }
            return end
        case .newline:
            return whitespaceEnd(in: text, from: start, limit: limit, run: run(start) { $0.isWhitespace })
        case .other, .space:
            if second < limit, character(second).kind == .letter {
                return run(second) { $0 == .letter }
            }
            // One space, and only U+0020, may lead a run of symbols.
            let symbols = first == .other ? start : second
            if first == .other || text[start] == UInt8(ascii: " ") {
                let end = run(symbols) { $0 == .other }
                if end > symbols { return run(end) { $0 == .newline } }
            }
            return whitespaceEnd(in: text, from: start, limit: limit, run: run(start) { $0.isWhitespace })
        }
    }

    /// The three alternatives for whitespace; `end` is where the run of it ends.
    private func whitespaceEnd(in text: [UInt8], from start: Int, limit: Int, run end: Int) -> Int {
        // `\s*[\r\n]+`: up to the last line break of the run.
        if let newline = text[start..<end].lastIndex(where: { $0 == 0x0A || $0 == 0x0D }) { return newline + 1 }
        // `\s+(?!\S)`: all but the last space before a word, which belongs to the word.
        let last = UTF8Scalars.scalar(in: text, before: end, start: start).start
        return end == limit || last == start ? end : last
    }

    /// English contractions in either case. Caseless matching takes the long s, U+017F (C5 BF), for an s.
    private func contractionEnd(in text: [UInt8], from start: Int, limit: Int) -> Int? {
        func lowercase(_ offset: Int) -> UInt8? {
            start + offset < limit ? text[start + offset] | 0x20 : nil
        }
        switch lowercase(1) {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
            return start + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"):
            return lowercase(2) == UInt8(ascii: "e") ? start + 3 : nil
        case UInt8(ascii: "l"):
            return lowercase(2) == UInt8(ascii: "l") ? start + 3 : nil
        default:
            let isLongS = start + 2 < limit && text[start + 1] == 0xC5 && text[start + 2] == 0xBF
            return isLongS ? start + 3 : nil
        }
    }
}
