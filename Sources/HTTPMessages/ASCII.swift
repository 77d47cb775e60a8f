/// The character classes of RFC 5234 and RFC 9110, section 5.6.
extension UInt8 {
    static let carriageReturn = UInt8(ascii: "\r")
    static let lineFeed = UInt8(ascii: "\n")

    var isDigit: Bool { self &- 0x30 < 10 }
    var isLetter: Bool { (self | 0x20) &- 0x61 < 26 }
    var isHexDigit: Bool { hexDigitValue != nil }
    /// SP or HTAB, the only white space within a line.
    var isBlank: Bool { self == 0x20 || self == 0x09 }
    /// Whether the byte may stand in a field value: HTAB, SP, visible ASCII or obs-text.
    var isFieldContent: Bool { self >= 0x20 ? self != 0x7F : self == 0x09 }
    var lowercased: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }

    var hexDigitValue: UInt8? {
        if isDigit { return self &- 0x30 }
        let letter = (self | 0x20) &- 0x61
        return letter < 6 ? letter + 10 : nil
    }
}

extension Collection where Element == UInt8 {
    /// Whether the bytes are `text` but for the case of ASCII letters; `text` is given in lower case.
    func equals(ignoringCase text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && hasPrefix(ignoringCase: text)
    }

    /// Whether the bytes start with `text` but for the case of ASCII letters; `text` is given in lower case.
    func hasPrefix(ignoringCase text: StaticString) -> Bool {
        text.withUTF8Buffer { text in
            var own = makeIterator()
            return text.allSatisfy { own.next()?.lowercased == $0 }
        }
    }
}

extension Span where Element == UInt8 {
    /// The part of `range` without blanks at either end (OWS of RFC 9110, section 5.6.3).
    func trimmed(_ range: Range<Int>) -> Range<Int> {
        var (start, end) = (range.lowerBound, range.upperBound)
        while start < end, self[start].isBlank { start += 1 }
        while end > start, self[end - 1].isBlank { end -= 1 }
        return start..<end
    }

    /// The bytes of `range` as text; bytes that are not UTF-8 are replaced.
    func text(_ range: Range<Int>) -> String {
        extracting(range).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }

    func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
        var index = start
        while index < count {
            if self[index] == byte { return index }
            index += 1
        }
        return nil
    }
}
