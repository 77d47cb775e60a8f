/// A field value with parameters, such as `form-data; name="a"; filename="b.png"` (RFC 9110, section 5.6.6).
struct FieldParameters {
    /// What stands before the parameters, in lower case.
    let value: String
    private var parameters: [String: String] = [:]

    /// The value of a parameter, its name given in lower case.
    subscript(name: String) -> String? { parameters[name] }

    /// - Parameters:
    ///   - text: the field's value.
    ///   - percentEscapes: whether `%22`, `%0D` and `%0A` in a quoted string mean the character, as they do in forms
    ///     (HTML standard, multipart form data).
    /// - Returns: nil for a parameter without a value, a quoted string without an end, or a parameter given twice.
    init?(_ text: String, percentEscapes: Bool = false) {
        var rest = text.utf8[...]
        let end = rest.firstIndex(of: UInt8(ascii: ";")) ?? rest.endIndex
        value = Self.trimmed(rest[..<end]).lowercased()
        guard !value.isEmpty else { return nil }
        rest = rest[end...]
        while rest.first == UInt8(ascii: ";") {
            rest = rest.dropFirst().drop(while: \.isBlank)
            if rest.isEmpty { break }
            guard let equals = rest.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            let name = String(Substring(rest[..<equals])).lowercased()
            rest = rest[rest.index(after: equals)...]
            guard !name.isEmpty,
                name.utf8.allSatisfy({ !$0.isBlank && $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: "\"") }),
                let value = Self.takeValue(&rest, percentEscapes), parameters.updateValue(value, forKey: name) == nil
            else { return nil }
            rest = rest.drop(while: \.isBlank)
        }
        guard rest.isEmpty else { return nil }
    }

    private static func takeValue(_ rest: inout Substring.UTF8View, _ percentEscapes: Bool) -> String? {
        guard rest.first == UInt8(ascii: "\"") else {
            let end = rest.firstIndex(of: UInt8(ascii: ";")) ?? rest.endIndex
            defer { rest = rest[end...] }
            let token = trimmed(rest[..<end])
            return token.isEmpty || token.utf8.contains(where: { $0.isBlank || $0 == UInt8(ascii: "\"") }) ? nil : token
        }
        rest = rest.dropFirst()
        var bytes: [UInt8] = []
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""):
                return String(validating: bytes, as: UTF8.self)
            case UInt8(ascii: "\\") where rest.first == UInt8(ascii: "\"") || rest.first == UInt8(ascii: "\\"):
                // Other backslashes are themselves: some clients send Windows paths.
                if let escaped = rest.popFirst() { bytes.append(escaped) }
            case UInt8(ascii: "%") where percentEscapes:
                bytes.append(takeEscape(&rest) ?? byte)
            default:
                bytes.append(byte)
            }
        }
        return nil
    }

    private static func takeEscape(_ rest: inout Substring.UTF8View) -> UInt8? {
        let escapes: [(StaticString, UInt8)] = [("22", 0x22), ("0d", 0x0D), ("0a", 0x0A)]
        guard let (_, byte) = escapes.first(where: { rest.hasPrefix(ignoringCase: $0.0) }) else { return nil }
        rest = rest.dropFirst(2)
        return byte
    }

    private static func trimmed(_ bytes: Substring.UTF8View) -> String {
        var bytes = bytes.drop(while: \.isBlank)
        while bytes.last?.isBlank == true { bytes = bytes.dropLast() }
        return String(Substring(bytes))
    }
}
