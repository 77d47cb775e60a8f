/// A 64-bit FNV-1a hash, equal in every process (Swift's own `Hasher` is seeded anew each time).
///
/// It recognises what belongs together, such as a saved run and its model; it protects from nobody.
package struct Fingerprint: Hashable, Codable, Sendable {
    package private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    package init() {}

    package mutating func combine(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }

    package mutating func combine(_ number: Int) {
        withUnsafeBytes(of: number.littleEndian) { combine($0) }
    }

    package mutating func combine(_ other: Fingerprint) { combine(Int(truncatingIfNeeded: other.value)) }

    /// That of a model whose first part has this one.
    package func combined(with others: Fingerprint...) -> Fingerprint {
        others.reduce(into: self) { $0.combine($1) }
    }
}
