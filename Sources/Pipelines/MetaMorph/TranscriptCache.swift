import Images
import Synchronization

/// What the language model wrote of late, so that rendering again from the same visual tokens (another seed, guidance
/// scale, size, number of steps or of pictures) never runs it again.
///
/// A transcript is found by everything that decided it: the conversation with its pictures, byte by byte, and the rules.
/// What belongs to rendering alone is no part of that. The model is the one that owns the cache.
final class TranscriptCache: Sendable {
    struct Key: Equatable, Sendable {
        var turns: [ChatTurn]
        var rules: VisualDecoding.Rules

        /// Bytes in memory, about.
        fileprivate var byteCount: Int {
            turns.reduce(0) { sum, turn in
                sum + turn.text.utf8.count + turn.images.reduce(0) { $0 + $1.pixels.count }
            }
        }
    }

    private struct Entry: Sendable {
        var key: Key
        var transcript: Transcript
        var byteCount: Int
    }

    /// Beside models of gigabytes, 64 MiB are nothing; they hold some two hundred pictures of 64 tokens in 1152 numbers
    /// each, fewer where the prompts have pictures of their own.
    static let defaultByteLimit = 64 << 20

    private let byteLimit: Int
    /// Used longest ago first. Few enough that a search costs nothing beside one step of a model.
    private let entries = Mutex<[Entry]>([])

    init(byteLimit: Int = TranscriptCache.defaultByteLimit) {
        self.byteLimit = byteLimit
    }

    subscript(key: Key) -> Transcript? {
        entries.withLock { entries in
            guard let index = entries.firstIndex(where: { $0.key == key }) else { return nil }
            let entry = entries.remove(at: index)
            entries.append(entry)
            return entry.transcript
        }
    }

    /// Keeps a finished transcript as long as there is room for it.
    func insert(_ transcript: Transcript, for key: Key) {
        let entry = Entry(key: key, transcript: transcript, byteCount: key.byteCount + transcript.byteCount + 1024)
        entries.withLock { entries in
            entries.removeAll { $0.key == key }
            entries.append(entry)
            var total = entries.reduce(0) { $0 + $1.byteCount }
            let surplus = entries.prefix { entry in
                guard total > byteLimit else { return false }
                total -= entry.byteCount
                return true
            }
            entries.removeFirst(surplus.count)
        }
    }

    var count: Int { entries.withLock { $0.count } }
}
