/// A JSON value whose strings and keys are bytes.
///
/// Foundation's parsers key objects by `String`, and Swift's string equality is Unicode-canonical: two tokens that
/// differ only in their composition would become one. Members keep the order of the file, duplicates included.
enum JSONValue: Equatable {
    case null
    case boolean(Bool)
    case integer(Int)
    /// A number with a fraction, an exponent, or more digits than `Int` holds.
    case real(Double)
    /// UTF-8, escapes resolved; a slice of the file where there were none.
    case string(ArraySlice<UInt8>)
    case array([JSONValue])
    case object([Member])

    struct Member: Equatable {
        var key: ArraySlice<UInt8>
        var value: JSONValue
    }

    /// The name of the value's type, for error messages.
    var typeName: String {
        switch self {
        case .null: "null"
        case .boolean: "a boolean"
        case .integer, .real: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}
