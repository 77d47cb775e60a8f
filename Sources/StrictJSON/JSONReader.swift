/// Reads JSON (RFC 8259) strictly from its beginning to its end: no key twice in an object, no lone surrogates, nothing
/// after the value.
///
/// It builds the tree of a document (`value`), or hands over what its caller expects next, so that a document with a
/// known form needs no tree. Every method skips white space first.
package struct JSONReader {
    let bytes: [UInt8]
    let rules: JSONRules
    var position = 0
    private var depth = 0
    private var values = 1  // the document itself

    package init(_ bytes: [UInt8], rules: JSONRules) {
        self.bytes = bytes
        self.rules = rules
    }

    // MARK: Values

    /// The next value, with all that it holds.
    package mutating func value() throws(JSONError) -> JSONValue {
        skipSpace()
        switch next {
        case UInt8(ascii: "{"):
            var object = JSONObject()
            try self.object { (reader, key) throws(JSONError) in object.append(key, try reader.value()) }
            return .object(object)
        case UInt8(ascii: "["):
            var elements: [JSONValue] = []
            try array { reader throws(JSONError) in elements.append(try reader.value()) }
            return .array(elements)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t") where accept(word: "true"): return .bool(true)
        case UInt8(ascii: "f") where accept(word: "false"): return .bool(false)
        case UInt8(ascii: "n") where accept(word: "null"): return .null
        default: return .number(try number())
        }
    }

    /// An object; `member` reads the value after each key.
    package mutating func object(
        _ member: (inout JSONReader, JSONString) throws(JSONError) -> Void
    ) throws(JSONError) {
        try open("{")
        defer { depth -= 1 }
        if accept("}") { return }
        var keys = SeenKeys()
        repeat {
            skipSpace()
            let start = position
            let key = try string()
            guard keys.insert(key) else { throw JSONError(.duplicateKey(key.text), offset: start) }
            try expect(":")
            do {
                try count()
                try member(&self, key)
            } catch {
                throw error.inside(.key(key))
            }
        } while accept(",")
        try expect("}")
    }

    /// A list; `element` reads each value in it.
    package mutating func array(_ element: (inout JSONReader) throws(JSONError) -> Void) throws(JSONError) {
        try open("[")
        defer { depth -= 1 }
        if accept("]") { return }
        var index = 0
        repeat {
            do {
                try count()
                try element(&self)
            } catch {
                throw error.inside(.index(index))
            }
            index += 1
        } while accept(",")
        try expect("]")
    }

    /// Nothing but white space may follow.
    package mutating func end() throws(JSONError) {
        skipSpace()
        guard position == bytes.count else { throw error("text after the end of the document") }
    }

    /// The error for what was read last and can't be used.
    package func refusal(_ reason: String) -> JSONError {
        JSONError(.refused(reason), offset: position)
    }

    // MARK: Limits

    private mutating func open(_ bracket: Unicode.Scalar) throws(JSONError) {
        try expect(bracket)
        guard depth < rules.depthLimit else { throw JSONError(.tooDeep(limit: rules.depthLimit), offset: position - 1) }
        depth += 1
    }

    private mutating func count() throws(JSONError) {
        values += 1
        guard values <= rules.valueLimit else {
            throw JSONError(.tooManyValues(limit: rules.valueLimit), offset: position)
        }
    }

    // MARK: Bytes

    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    func error(_ reason: String) -> JSONError {
        JSONError(.syntax(position < bytes.count ? reason : "\(reason), found the end"), offset: position)
    }

    mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    mutating func accept(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    mutating func expect(_ character: Unicode.Scalar) throws(JSONError) {
        guard accept(character) else { throw error("expected \"\(character)\"") }
    }

    /// Takes a word that stands right here.
    mutating func accept(word: StaticString) -> Bool {
        let matches = word.withUTF8Buffer { bytes[position...].starts(with: $0) }
        if matches { position += word.utf8CodeUnitCount }
        return matches
    }
}
