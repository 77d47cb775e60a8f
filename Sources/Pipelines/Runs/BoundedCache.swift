import Synchronization

/// Values that were used of late, as many as their bytes fit into a limit.
///
/// A value is found by everything that decided it, compared whole. Few enough entries are kept that a search costs nothing
/// beside one step of a model.
final class BoundedCache<Key: Equatable & Sendable, Value: Sendable>: Sendable {
    private struct Entry: Sendable {
        var key: Key
        var value: Value
        var byteCount: Int
        var isPinned: Bool
    }

    private let byteLimit: Int
    private let byteCount: @Sendable (Key, Value) -> Int
    /// Used longest ago first.
    private let entries = Mutex<[Entry]>([])

    /// - Parameter byteCount: bytes of an entry in memory, about
    init(byteLimit: Int, byteCount: @escaping @Sendable (Key, Value) -> Int) {
        self.byteLimit = byteLimit
        self.byteCount = byteCount
    }

    subscript(key: Key) -> Value? {
        entries.withLock { entries in
            guard let index = entries.firstIndex(where: { $0.key == key }) else { return nil }
            let entry = entries.remove(at: index)
            entries.append(entry)
            return entry.value
        }
    }

    /// Keeps a value as long as there is room for it, a pinned one for ever.
    func insert(_ value: Value, for key: Key, isPinned: Bool = false) {
        let entry = Entry(key: key, value: value, byteCount: byteCount(key, value), isPinned: isPinned)
        entries.withLock { entries in
            entries.removeAll { $0.key == key }
            entries.append(entry)
            var total = entries.reduce(0) { $0 + $1.byteCount }
            entries.removeAll { entry in
                guard total > byteLimit, !entry.isPinned else { return false }
                total -= entry.byteCount
                return true
            }
        }
    }

    var count: Int { entries.withLock { $0.count } }
}
