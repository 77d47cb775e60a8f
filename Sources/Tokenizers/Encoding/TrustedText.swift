/// A text that knows which of its bytes come from control segments.
struct TrustedText {
    private(set) var bytes: [UInt8] = []
    /// Ascending ranges of `bytes`, never empty, never adjacent.
    private(set) var trusted: [Range<Int>] = []

    /// Whether every byte is trusted.
    var isTrusted: Bool { isTrusted(bytes.indices) }

    /// Whether every byte of the range is trusted.
    func isTrusted(_ range: Range<Int>) -> Bool {
        trusted.contains { $0.lowerBound <= range.lowerBound && range.upperBound <= $0.upperBound }
    }

    init(_ segments: [PromptSegment]) {
        for segment in segments { append(segment.text.utf8, isTrusted: segment.isControl) }
    }

    private init() {}

    private mutating func append(_ text: some Collection<UInt8>, isTrusted: Bool) {
        guard !text.isEmpty else { return }
        let start = bytes.count
        bytes += text
        guard isTrusted else { return }
        if let last = trusted.last, last.upperBound == start {
            trusted[trusted.count - 1] = last.lowerBound..<bytes.count
        } else {
            trusted.append(start..<bytes.count)
        }
    }

    /// Calls `body` with every run of bytes that are all trusted or all not.
    private func forEachRun(_ body: (Range<Int>, Bool) -> Void) {
        var position = 0
        for range in trusted {
            if position < range.lowerBound { body(position..<range.lowerBound, false) }
            body(range, true)
            position = range.upperBound
        }
        if position < bytes.count { body(position..<bytes.count, false) }
    }

    func slice(_ range: Range<Int>) -> TrustedText {
        guard range != bytes.indices else { return self }
        var slice = TrustedText()
        slice.bytes = Array(bytes[range])
        slice.trusted = trusted.compactMap { trusted in
            let common = trusted.clamped(to: range)
            guard !common.isEmpty else { return nil }
            return common.lowerBound - range.lowerBound..<common.upperBound - range.lowerBound
        }
        return slice
    }

    /// The normalised text. Where a user's mark combines with the format's last character nothing is trusted any more.
    func normalized(_ normalizer: TextNormalizer) -> TrustedText {
        guard normalizer != .none else { return self }
        var runs = TrustedText()
        forEachRun { runs.append(normalizer.normalize(bytes[$0]), isTrusted: $1) }
        guard !trusted.isEmpty, !isTrusted else { return runs }
        var whole = TrustedText()
        whole.append(normalizer.normalize(bytes[...]), isTrusted: false)
        return whole.bytes == runs.bytes ? runs : whole
    }
}
