extension JSONValue {
    /// The member of an object; nil if there is none, or the value is no object.
    package subscript(name: String) -> JSONValue? { if case .object(let object) = self { object[name] } else { nil } }

    package var stringValue: String? { if case .string(let string) = self { string.text } else { nil } }
    package var arrayValue: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
    package var integerValue: Int? { if case .number(let number) = self { number.wholeValue } else { nil } }
    package var doubleValue: Double? { if case .number(let number) = self { number.double } else { nil } }
}
