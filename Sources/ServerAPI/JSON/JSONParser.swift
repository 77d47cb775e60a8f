/// Why bytes are not JSON, and where.
package struct JSONError: Error, Equatable, CustomStringConvertible {
    package let reason: String
    /// Index of the byte at fault.
    package let position: Int

    package var description: String { "\(reason) at byte \(position)" }
}

/// Reads JSON (RFC 8259) strictly: no name twice in an object, no lone surrogates, nothing after the value.
package struct JSONParser {
    /// Lists and objects within each other. Requests have 5; the bound keeps recursion off the end of the stack.
    static let depthLimit = 64
    /// Values in all. Each takes far more memory than the one byte it may be in the text.
    static let valueLimit = 100_000

    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0
    private var values = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// - Throws: `JSONError` naming the place of the first fault.
    package static func parse(_ bytes: [UInt8]) throws(JSONError) -> JSONValue {
        var parser = JSONParser(bytes)
        parser.skipSpace()
        let value = try parser.value()
        parser.skipSpace()
        guard parser.isAtEnd else { throw parser.error("there is something after the value") }
        return value
    }

    var isAtEnd: Bool { position == bytes.count }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private func error(_ reason: String) -> JSONError {
        JSONError(reason: reason, position: position)
    }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        position += 1
        return true
    }

    private mutating func value() throws(JSONError) -> JSONValue {
        values += 1
        guard values <= Self.valueLimit else { throw error("there are more than \(Self.valueLimit) values") }
        switch next {
        case UInt8(ascii: "{"): return .object(try nested { parser throws(JSONError) in try parser.object() })
        case UInt8(ascii: "["): return .array(try nested { parser throws(JSONError) in try parser.array() })
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw error("the text ends early")
        default: return .number(try number())
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        let matches = word.withUTF8Buffer { bytes[position...].starts(with: $0) }
        guard matches else { throw error("there is no JSON value") }
        position += word.utf8CodeUnitCount
        return value
    }

    private mutating func nested<Value>(
        _ body: (inout JSONParser) throws(JSONError) -> Value
    ) throws(JSONError) -> Value {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthLimit else { throw error("values are nested more than \(Self.depthLimit) deep") }
        position += 1
        skipSpace()
        return try body(&self)
    }

    private mutating func array() throws(JSONError) -> [JSONValue] {
        var elements: [JSONValue] = []
        if take(UInt8(ascii: "]")) { return elements }
        while true {
            elements.append(try value())
            skipSpace()
            if take(UInt8(ascii: "]")) { return elements }
            guard take(UInt8(ascii: ",")) else { throw error("a list needs a comma or its end") }
            skipSpace()
        }
    }

    private mutating func object() throws(JSONError) -> JSONObject {
        var object = JSONObject()
        var names: Set<[UInt8]> = []
        if take(UInt8(ascii: "}")) { return object }
        while true {
            guard next == UInt8(ascii: "\"") else { throw error("an object needs a name in quotes") }
            let name = try string()
            // Compared as bytes: String's equality takes different spellings of one character as equal.
            guard names.insert(Array(name.utf8)).inserted else { throw error("the name \"\(name)\" is there twice") }
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw error("a name needs a colon") }
            skipSpace()
            object.append(name, try value())
            skipSpace()
            if take(UInt8(ascii: "}")) { return object }
            guard take(UInt8(ascii: ",")) else { throw error("an object needs a comma or its end") }
            skipSpace()
        }
    }

    mutating func number() throws(JSONError) -> JSONNumber {
        let start = position
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        if take(UInt8(ascii: ".")) { try digits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        return JSONNumber(grammatical: String(decoding: bytes[start..<position], as: UTF8.self))
    }

    private mutating func digits() throws(JSONError) {
        let start = position
        while let byte = next, byte &- 0x30 < 10 { position += 1 }
        guard position > start else { throw error("there is no JSON value") }
    }

    private mutating func string() throws(JSONError) -> String {
        position += 1
        var start = position
        var text = ""
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                text += try utf8(start..<position)
                position += 1
                return text
            case UInt8(ascii: "\\"):
                text += try utf8(start..<position)
                position += 1
                text.unicodeScalars.append(try escape())
                start = position
            case 0..<0x20: throw error("a string holds a control character")
            default: position += 1
            }
        }
        throw error("a string has no end")
    }

    private func utf8(_ range: Range<Int>) throws(JSONError) -> String {
        guard let text = String(validating: bytes[range], as: UTF8.self) else {
            throw JSONError(reason: "a string is not UTF-8", position: range.lowerBound)
        }
        return text
    }

    private mutating func escape() throws(JSONError) -> Unicode.Scalar {
        guard let byte = next else { throw error("a string has no end") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape()
        default: throw error("a string holds an unknown escape")
        }
    }

    /// Four hexadecimal digits, and four more where the first are half of a surrogate pair.
    private mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar {
        let unit = try hexadecimal()
        if let scalar = Unicode.Scalar(unit) { return scalar }
        guard unit < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
            throw error("a string holds half of a surrogate pair")
        }
        let second = try hexadecimal()
        guard 0xDC00...0xDFFF ~= second,
            let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (second - 0xDC00))
        else { throw error("a string holds half of a surrogate pair") }
        return scalar
    }

    private mutating func hexadecimal() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw error("a string holds an unknown escape")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }
}
