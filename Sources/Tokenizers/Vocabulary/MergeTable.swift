/// Pairs of ids that BPE joins, with the rank of the merge and the id of the result: open addressing, linear probing.
struct MergeTable: Sendable {
    struct Merge: Sendable {
        /// Lower ranks are merged first.
        var rank: UInt32
        var id: Int32
    }

    /// `left << 32 | right`; `UInt64.max` where free, which no pair of non-negative ids gives.
    private var keys: [UInt64]
    private var merges: [Merge]
    private static let free = UInt64.max

    /// A table for at most `capacity` pairs.
    init(capacity: Int) {
        var slots = 2
        while slots < capacity * 2 { slots *= 2 }
        keys = [UInt64](repeating: Self.free, count: slots)
        merges = [Merge](repeating: Merge(rank: 0, id: 0), count: slots)
    }

    private func slot(of key: UInt64) -> Int {
        let mask = keys.count - 1
        // Fibonacci hashing; the high bits are the well mixed ones.
        var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
        while keys[slot] != key, keys[slot] != Self.free { slot = (slot + 1) & mask }
        return slot
    }

    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// Adds a merge, or replaces the one of the same pair, as the reference library does.
    mutating func insert(_ left: Int32, _ right: Int32, _ merge: Merge) {
        let key = Self.key(left, right)
        let slot = slot(of: key)
        keys[slot] = key
        merges[slot] = merge
    }

    subscript(left: Int32, right: Int32) -> Merge? {
        let key = Self.key(left, right)
        let slot = slot(of: key)
        return keys[slot] == key ? merges[slot] : nil
    }
}
