/// The keys of an object so far.
///
/// Most objects are small enough to compare each key with all others. For vocabularies there is an open-addressed table
/// with linear probing: a `Set` would hash every key again each time it grows, a third of the time it takes to read one.
struct SeenKeys {
    private static let smallCount = 16

    private var keys: [JSONString] = []
    /// Of each key, once there is a table. Seeded per process, so that no document can choose keys that collide.
    private var hashes: [Int] = []
    /// Indices of keys, -1 where free. The count is a power of two, at least twice the number of keys.
    private var slots: [Int] = []

    /// - Returns: false, changing nothing, if the key is there already.
    mutating func insert(_ key: JSONString) -> Bool {
        if keys.count < Self.smallCount {
            if keys.contains(key) { return false }
            keys.append(key)
            return true
        }
        if slots.isEmpty { hashes = keys.map(\.hashValue) }
        if slots.count < 2 * (keys.count + 1) { grow() }
        let hash = key.hashValue
        var slot = hash & (slots.count - 1)
        while slots[slot] >= 0 {
            let index = slots[slot]
            if hashes[index] == hash, keys[index] == key { return false }
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = keys.count
        keys.append(key)
        hashes.append(hash)
        return true
    }

    private mutating func grow() {
        slots = [Int](repeating: -1, count: max(4 * Self.smallCount, 2 * slots.count))
        for (index, hash) in hashes.enumerated() {
            var slot = hash & (slots.count - 1)
            while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = index
        }
    }
}
