import Foundation

/// Normalization form C (Unicode Standard, 3.11): canonical decomposition, then composition.
///
/// Foundation decomposes well, but its composition takes seconds for a megabyte of decomposed text and leaves a Hangul
/// syllable and a final consonant behind it apart. (It does not sort the parts of U+0F73, U+0F75 and U+0F81 among the
/// marks around them; these three, discouraged by the standard, stay in their place.)
enum CanonicalComposition {
    static func compose(_ text: String) -> String {
        var scalars: [Unicode.Scalar] = []
        /// The index of the last character of combining class 0, with which the next ones may compose.
        var starter = -1
        var lastClass: UInt8 = 0
        for scalar in text.decomposedStringWithCanonicalMapping.unicodeScalars {
            // Nothing below U+0300 combines with what is before it.
            guard scalar.value >= 0x300 else {
                starter = scalars.count
                lastClass = 0
                scalars.append(scalar)
                continue
            }
            let combiningClass = scalar.properties.canonicalCombiningClass.rawValue
            // A mark is blocked by one of the same or a higher class between it and the starter.
            let isBlocked = starter != scalars.count - 1 && lastClass >= combiningClass
            if starter >= 0, !isBlocked, let composite = composite(scalars[starter], scalar) {
                scalars[starter] = composite
                continue
            }
            if combiningClass == 0 { starter = scalars.count }
            lastClass = combiningClass
            scalars.append(scalar)
        }
        var composed = String.UnicodeScalarView()
        composed.append(contentsOf: scalars)
        return String(composed)
    }

    private static func composite(_ first: Unicode.Scalar, _ second: Unicode.Scalar) -> Unicode.Scalar? {
        switch (first.value, second.value) {
        case (0x1100..<0x1113, 0x1161..<0x1176):
            // Hangul: a leading consonant and a vowel.
            return Unicode.Scalar(0xAC00 + ((first.value - 0x1100) * 21 + second.value - 0x1161) * 28)
        case (0xAC00..<0xD7A4, 0x11A8..<0x11C3) where (first.value - 0xAC00) % 28 == 0:
            // Hangul: a syllable without a final consonant, and one.
            return Unicode.Scalar(first.value + second.value - 0x11A7)
        default:
            return composites[key(first, second)]
        }
    }

    private static func key(_ first: Unicode.Scalar, _ second: Unicode.Scalar) -> UInt64 {
        UInt64(first.value) << 32 | UInt64(second.value)
    }

    /// The primary composites by their two parts, read off Foundation's mappings: a character that decomposes, and that
    /// composition gives back. All of them lie in these ranges (DerivedNormalizationProps.txt, Unicode 17).
    private static let composites: [UInt64: Unicode.Scalar] = {
        var composites: [UInt64: Unicode.Scalar] = [:]
        for code in [0xC0..<0x3100, 0x11000..<0x12000, 0x16D00..<0x16E00].joined() {
            guard let scalar = Unicode.Scalar(UInt32(code)) else { continue }
            let text = String(scalar)
            let decomposed = Array(text.decomposedStringWithCanonicalMapping.unicodeScalars)
            guard decomposed.count > 1, let last = decomposed.last,
                text.precomposedStringWithCanonicalMapping.unicodeScalars.elementsEqual([scalar])
            else { continue }
            var head = String.UnicodeScalarView()
            head.append(contentsOf: decomposed.dropLast())
            let first = Array(String(head).precomposedStringWithCanonicalMapping.unicodeScalars)
            // Foundation composes two marks (U+0F81) too, which the standard excludes.
            guard first.count == 1, first[0].properties.canonicalCombiningClass == .notReordered else { continue }
            composites[key(first[0], last)] = scalar
        }
        return composites
    }()
}
