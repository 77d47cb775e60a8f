import Images

/// What the language model wrote of late, so that rendering again from the same visual tokens (another seed, guidance
/// scale, size, number of steps or of pictures) never runs it again.
///
/// A transcript is found by everything that decided it: the conversation with its pictures, byte by byte, and the rules.
/// What belongs to rendering alone is no part of that. The model is the one that owns the cache.
struct TranscriptCache: Sendable {
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

    /// Beside models of gigabytes, 64 MiB are nothing; they hold some two hundred pictures of 64 tokens in 1152 numbers
    /// each, fewer where the prompts have pictures of their own.
    static let defaultByteLimit = 64 << 20

    private let transcripts: BoundedCache<Key, Transcript>

    init(byteLimit: Int = TranscriptCache.defaultByteLimit) {
        transcripts = BoundedCache(byteLimit: byteLimit) { $0.byteCount + $1.byteCount + 1024 }
    }

    subscript(key: Key) -> Transcript? { transcripts[key] }

    /// Keeps a finished transcript as long as there is room for it.
    func insert(_ transcript: Transcript, for key: Key) { transcripts.insert(transcript, for: key) }

    var count: Int { transcripts.count }
}
