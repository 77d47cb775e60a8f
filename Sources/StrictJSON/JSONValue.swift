/// A JSON value (RFC 8259) that loses nothing: strings keep their bytes, numbers their digits, members their order.
package enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(JSONString)
    case array([JSONValue])
    case object(JSONObject)

    /// Reads a whole document. Beside it nothing but white space may stand in `bytes`.
    package init(parsing bytes: [UInt8], rules: JSONRules) throws(JSONError) {
        var reader = JSONReader(bytes, rules: rules)
        self = try reader.value()
        try reader.end()
    }

    /// The value's kind in words.
    package var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "a list"
        case .object: "an object"
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral, ExpressibleByIntegerLiteral, ExpressibleByNilLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(elements)) }
    package init(integerLiteral value: Int) { self = .number(JSONNumber(value)) }
    package init(nilLiteral: ()) { self = .null }

    package static func string(_ text: String) -> JSONValue { .string(JSONString(text)) }
    package static func number(_ value: some BinaryInteger) -> JSONValue { .number(JSONNumber(value)) }
    /// - Precondition: the value is finite.
    package static func number(_ value: Double) -> JSONValue { .number(JSONNumber(value)) }
    /// A string, or null.
    package static func optional(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
}
