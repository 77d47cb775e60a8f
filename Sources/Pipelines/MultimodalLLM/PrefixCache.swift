import Networks

/// Keys and values of what prompts began with of late, up to their last picture or video: another question about it
/// starts at the text.
///
/// A beginning is found by all that stands in it, the inputs byte by byte, and goes on in the passes in which it would have
/// been read: a reply has the same bytes with it and without.
struct PrefixCache: Sendable {
    /// A prompt up to the end of an input.
    private struct Prefix: Equatable, Sendable {
        let passes: [[VisualSequence.Piece]]
        let inputs: [VisualInput]

        init(_ prompt: MultimodalPrompt, inputs count: Int) {
            passes = Array(prompt.sequence.passes[..<prompt.inputEnds[count - 1]])
            inputs = Array(prompt.inputs[..<count])
        }

        /// Bytes in memory, about.
        var byteCount: Int { inputs.reduce(0) { $0 + $1.byteCount } }
    }

    /// A sixteenth of the weights holds the largest picture of every model of billions of parameters, and 256 MiB that of
    /// LLaVA-OneVision 0.5B (7,300 rows of 24 KiB) or a dozen small ones.
    static func byteLimit(besideWeights byteCount: Int) -> Int { max(256 << 20, byteCount / 16) }

    private let prefixes: BoundedCache<Prefix, KeyValueCache>

    init(byteLimit: Int) {
        prefixes = BoundedCache(byteLimit: byteLimit) { $0.byteCount + $1.byteCount + 1024 }
    }

    /// The longest beginning of a prompt that is known: how many passes it has, and what was made of them.
    func longest(of prompt: MultimodalPrompt) -> (passes: Int, known: KeyValueCache)? {
        for count in stride(from: prompt.inputs.count, to: 0, by: -1) {
            if let known = prefixes[Prefix(prompt, inputs: count)] { return (prompt.inputEnds[count - 1], known) }
        }
        return nil
    }

    /// Keeps what was made of a prompt up to the end of its last input.
    func insert(_ cache: KeyValueCache, for prompt: MultimodalPrompt) {
        prefixes.insert(cache, for: Prefix(prompt, inputs: prompt.inputs.count))
    }

    var count: Int { prefixes.count }
}
