/// A hash table from byte strings to ids, open addressing with linear probing.
///
/// A dictionary of arrays would hash with SipHash and follow a pointer per key; this table is asked once per word of
/// every text.
struct ByteStringTable: Sendable {
    private var storage: [UInt8] = []
    /// Where entry `i` lies in `storage`.
    private var ranges: [Range<Int>] = []
    private var ids: [Int32] = []
    /// Entry indices, -1 where free. The count is a power of two, at least twice the number of entries.
    private var slots: [Int32] = [-1, -1]

    private static func hash(_ key: ArraySlice<UInt8>) -> UInt64 {
        // FNV-1a, with a final mix because slots are taken from the low bits.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in key { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return hash ^ hash >> 32
    }

    private func slot(of key: ArraySlice<UInt8>) -> Int {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: Self.hash(key)) & mask
        while slots[slot] >= 0, !matches(Int(slots[slot]), key) { slot = (slot + 1) & mask }
        return slot
    }

    private func matches(_ entry: Int, _ key: ArraySlice<UInt8>) -> Bool {
        let range = ranges[entry]
        return range.count == key.count && storage[range] == key
    }

    subscript(key: ArraySlice<UInt8>) -> Int32? {
        let entry = slots[slot(of: key)]
        return entry >= 0 ? ids[Int(entry)] : nil
    }

    /// Adds a key; returns false, changing nothing, where it is present already.
    mutating func insert(_ key: ArraySlice<UInt8>, id: Int32) -> Bool {
        if (ids.count + 1) * 2 > slots.count { grow() }
        let slot = slot(of: key)
        guard slots[slot] < 0 else { return false }
        slots[slot] = Int32(ids.count)
        ranges.append(storage.count..<storage.count + key.count)
        storage += key
        ids.append(id)
        return true
    }

    private mutating func grow() {
        slots = [Int32](repeating: -1, count: slots.count * 2)
        for entry in ids.indices {
            slots[slot(of: storage[ranges[entry]])] = Int32(entry)
        }
    }
}
