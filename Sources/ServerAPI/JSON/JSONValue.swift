/// A JSON value (RFC 8259) that loses nothing: members keep their order, numbers their digits.
package enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// The value's kind in words.
    var kind: String {
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

/// A number as it was written.
package struct JSONNumber: Sendable, Equatable {
    package let literal: String

    /// - Returns: nil if `literal` is no number of JSON's grammar, which has no `+1`, `.5`, `0x1F` or `nan`.
    package init?(_ literal: String) {
        var parser = JSONParser(Array(literal.utf8))
        guard let number = try? parser.number(), parser.isAtEnd else { return nil }
        self = number
    }

    /// - Parameter literal: known to follow the grammar.
    init(grammatical literal: String) {
        self.literal = literal
    }

    package init(_ value: some BinaryInteger) {
        literal = String(value)
    }

    /// - Precondition: the value is finite; JSON has no other numbers.
    package init(_ value: Double) {
        precondition(value.isFinite, "JSON has no \(value)")
        literal = String(value)
    }

    /// The value if it is whole and fits. As in JSON Schema, `2.0` is the integer 2 and `2.5` is none.
    var integer: Int? {
        // Beyond 2^53 a Double no longer tells neighbouring integers apart.
        Int(literal) ?? Double(literal).flatMap { abs($0) <= 9_007_199_254_740_992 ? Int(exactly: $0) : nil }
    }

    /// The value, or nil where a Double can't hold it.
    var double: Double? {
        Double(literal).flatMap { $0.isFinite ? $0 : nil }
    }
}

/// Members in their order; the parser admits no name twice.
package struct JSONObject: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    package struct Member: Sendable, Equatable {
        package let name: String
        package let value: JSONValue
    }

    package private(set) var members: [Member]

    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        members = elements.map { Member(name: $0.0, value: $0.1) }
    }

    /// The value of a member; setting it replaces the member or adds one at the end.
    package subscript(name: String) -> JSONValue? {
        get { members.first { $0.name == name }?.value }
        set {
            let index = members.firstIndex { $0.name == name }
            switch (index, newValue) {
            case (let index?, let value?): members[index] = Member(name: name, value: value)
            case (let index?, nil): members.remove(at: index)
            case (nil, let value?): members.append(Member(name: name, value: value))
            case (nil, nil): break
            }
        }
    }

    /// Adds a member whose name is known to be new.
    mutating func append(_ name: String, _ value: JSONValue) {
        members.append(Member(name: name, value: value))
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral, ExpressibleByIntegerLiteral, ExpressibleByNilLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        var object = JSONObject()
        for (name, value) in elements { object.append(name, value) }
        self = .object(object)
    }
    package init(integerLiteral value: Int) { self = .number(JSONNumber(value)) }
    package init(nilLiteral: ()) { self = .null }

    static func number(_ value: some BinaryInteger) -> JSONValue { .number(JSONNumber(value)) }
    static func number(_ value: Double) -> JSONValue { .number(JSONNumber(value)) }

    /// A string, or null.
    static func optional(_ value: String?) -> JSONValue { value.map(JSONValue.string) ?? .null }

    // For tests and callers that look into a value.
    package subscript(name: String) -> JSONValue? { if case .object(let object) = self { object[name] } else { nil } }
    package var stringValue: String? { if case .string(let value) = self { value } else { nil } }
    package var arrayValue: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    package var integerValue: Int? { if case .number(let value) = self { value.integer } else { nil } }
    package var doubleValue: Double? { if case .number(let value) = self { value.double } else { nil } }
}
