extension JSONReader {
    // MARK: Strings

    /// A string, its escapes resolved.
    package mutating func string() throws(JSONError) -> JSONString {
        try expect("\"")
        let start = position
        var isASCII = skipPlainText()
        if next == UInt8(ascii: "\"") {
            position += 1
            if isASCII { return JSONString(validated: bytes[start..<position - 1]) }
            try validate(start..<position - 1)
            return try checkingMarks(of: JSONString(validated: bytes[start..<position - 1]), from: start)
        }
        var text = Array(bytes[start..<position])
        while next != UInt8(ascii: "\"") {
            guard let byte = next else { throw error("a string without an end") }
            guard byte == UInt8(ascii: "\\") else { throw error("a control character in a string") }
            position += 1
            text += String(try escapedScalar()).utf8
            let plain = position
            isASCII = skipPlainText() && isASCII
            text += bytes[plain..<position]
        }
        position += 1
        // Escapes are ASCII: the rest is as valid alone as with them.
        if !isASCII { try validate(start..<position - 1) }
        return try checkingMarks(of: JSONString(validated: text[...]), from: start)
    }

    private func checkingMarks(of string: JSONString, from start: Int) throws(JSONError) -> JSONString {
        guard let limit = rules.markLimit, string.longestMarkRun > limit else { return string }
        throw JSONError(.tooManyMarks(limit: limit), offset: start - 1)
    }

    /// Goes to the next quote, escape or control character, or to the end.
    /// - Returns: whether there was nothing but ASCII.
    private mutating func skipPlainText() -> Bool {
        var union: UInt8 = 0
        var end = position
        while end < bytes.count {
            let byte = bytes[end]
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20 { break }
            union |= byte
            end += 1
        }
        position = end
        return union < 0x80
    }

    private func validate(_ range: Range<Int>) throws(JSONError) {
        do {
            _ = try UTF8Span(validating: bytes.span.extracting(range))
        } catch {
            throw JSONError(
                .syntax("a string that is not UTF-8"),
                offset: range.lowerBound + error.byteOffsets.lowerBound
            )
        }
    }

    private mutating func escapedScalar() throws(JSONError) -> Unicode.Scalar {
        guard let kind = next else { throw error("a string without an end") }
        let scalar: Unicode.Scalar
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): scalar = Unicode.Scalar(kind)
        case UInt8(ascii: "b"): scalar = "\u{8}"
        case UInt8(ascii: "f"): scalar = "\u{C}"
        case UInt8(ascii: "n"): scalar = "\n"
        case UInt8(ascii: "r"): scalar = "\r"
        case UInt8(ascii: "t"): scalar = "\t"
        case UInt8(ascii: "u"):
            position += 1
            return try unicodeEscape()
        default: throw error("unknown escape")
        }
        position += 1
        return scalar
    }

    /// Four hexadecimal digits, and four more where the first are half of a surrogate pair.
    private mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar {
        let unit = try hexadecimal()
        if let scalar = Unicode.Scalar(unit) { return scalar }
        guard unit < 0xDC00, accept(word: "\\u") else { throw error("half of a surrogate pair") }
        let second = try hexadecimal()
        guard 0xDC00...0xDFFF ~= second,
            let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (second - 0xDC00))
        else { throw error("half of a surrogate pair") }
        return scalar
    }

    private mutating func hexadecimal() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw error("expected four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    // MARK: Numbers

    /// A number as it is written.
    package mutating func number() throws(JSONError) -> JSONNumber {
        skipSpace()
        let start = position
        if rules.admitsNonFiniteNumbers, accept(word: "NaN") || accept(word: "Infinity") || accept(word: "-Infinity") {
            return JSONNumber(grammatical: literal(from: start))
        }
        if next == UInt8(ascii: "-") { position += 1 }
        try wholeDigits(orElse: position == start ? "expected a value" : "expected a digit")
        if next == UInt8(ascii: ".") {
            position += 1
            try digits(orElse: "expected a digit")
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            position += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
            try digits(orElse: "expected a digit")
        }
        return JSONNumber(grammatical: literal(from: start))
    }

    /// An integer from 0 on, of digits alone.
    package mutating func naturalNumber() throws(JSONError) -> Int {
        skipSpace()
        let start = position
        try wholeDigits(orElse: "expected an integer from 0 on")
        guard let value = Int(literal(from: start)) else {
            throw JSONError(.syntax("number too large"), offset: start)
        }
        return value
    }

    private mutating func wholeDigits(orElse reason: String) throws(JSONError) {
        let start = position
        try digits(orElse: reason)
        guard bytes[start] != UInt8(ascii: "0") || position == start + 1 else {
            throw JSONError(.syntax("a number with a leading zero"), offset: start)
        }
    }

    private mutating func digits(orElse reason: String) throws(JSONError) {
        let start = position
        while let byte = next, byte &- 0x30 < 10 { position += 1 }
        guard position > start else { throw error(reason) }
    }

    private func literal(from start: Int) -> String {
        String(decoding: bytes[start..<position], as: UTF8.self)
    }
}
