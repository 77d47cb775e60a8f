/// What the pre-tokenisers' patterns tell apart: `\p{L}`, `\p{N}`, `[\r\n]`, the rest of `\s`, and everything else.
enum CharacterClass: UInt8, Sendable {
    case other
    case letter
    case number
    case newline
    case space

    var isWhitespace: Bool { self == .newline || self == .space }

    /// The classes of the basic multilingual plane, from Swift's property tables; surrogates never occur.
    private static let basicPlane: [CharacterClass] = (0..<0x10000).map { code in
        Unicode.Scalar(UInt32(code)).map(classify) ?? .other
    }

    init(_ scalar: UInt32) {
        if scalar < 0x10000 {
            self = Self.basicPlane[Int(scalar)]
        } else {
            self = Unicode.Scalar(scalar).map(Self.classify) ?? .other
        }
    }

    private static func classify(_ scalar: Unicode.Scalar) -> CharacterClass {
        if scalar == "\r" || scalar == "\n" { return .newline }
        let properties = scalar.properties
        // The reference library (tokenizers 0.21, Oniguruma) knows Unicode 16; later letters are "other" to it.
        guard let age = properties.age, age.major <= 16 else { return .other }
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return .letter
        case .decimalNumber, .letterNumber, .otherNumber: return .number
        default: return properties.isWhitespace ? .space : .other
        }
    }
}
