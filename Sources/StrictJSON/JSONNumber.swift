/// A number as it was written.
package struct JSONNumber: Sendable, Equatable {
    package let literal: String

    /// - Returns: nil if `literal` is no number of JSON's grammar, which has no `+1`, `.5`, `0x1F` or `nan`.
    package init?(_ literal: String) {
        var reader = JSONReader(Array(literal.utf8), rules: JSONRules(depthLimit: 0, valueLimit: 1))
        // Neither after the number nor, as a reader may, before it is there anything else.
        guard let number = try? reader.number(), number.literal.utf8.count == literal.utf8.count else { return nil }
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

    /// The value if it was written as an integer, without fraction and exponent, and fits.
    package var integer: Int? { Int(literal) }

    /// The value if it is whole and fits. As in JSON Schema, `2.0` is the integer 2 and `2.5` is none.
    package var wholeValue: Int? {
        // Beyond 2^53 a Double no longer tells neighbouring integers apart.
        integer ?? double.flatMap { abs($0) <= 9_007_199_254_740_992 ? Int(exactly: $0) : nil }
    }

    /// The nearest Double; nil for digits beyond its range. `NaN`, `Infinity` and `-Infinity`, where the rules admitted
    /// them, are what they say.
    package var double: Double? {
        guard let value = Double(literal) else { return nil }
        return value.isFinite || literal.utf8.last.map { $0 > UInt8(ascii: "9") } == true ? value : nil
    }
}
