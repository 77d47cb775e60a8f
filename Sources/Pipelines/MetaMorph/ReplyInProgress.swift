import Tokenizers

/// A transcript as it becomes a reply: text between pictures, what is certain of it, and what is still to come.
struct ReplyInProgress: Sendable {
    /// What stands next in a transcript.
    enum Next {
        case id(Int, TokenScore?)
        case picture(VisualTokens)
    }

    private(set) var parts: [ChatReply.Part] = []
    /// Pictures that were told or skipped.
    private(set) var pictureCount = 0
    private(set) var isFinished = false
    private var idCount = 0
    private var current: ReplyText
    /// Scores of the tokens since the last text that was told.
    private var untold: [TokenScore] = []
    private let emptyText: ReplyText

    init(_ tokenizer: Tokenizer, stop: [String]) {
        emptyText = ReplyText(tokenizer, stop: StopStrings(stop))
        current = emptyText
    }

    /// Whether a stop string has ended the reply.
    var isStopped: Bool { current.isStopped }

    /// All text.
    var text: String {
        parts.reduce(into: "") { text, part in
            if case .text(let more) = part { text += more }
        }
    }

    /// What follows what was told, as far as it is written; a picture only when it is finished.
    func next(in transcript: Transcript, of visualTokens: Int) -> Next? {
        guard !isStopped else { return nil }
        if pictureCount < transcript.pictures.count, transcript.pictures[pictureCount].position == idCount {
            let picture = transcript.pictures[pictureCount]
            // Else it is the last one: the model is at work on it, or was when the reply ended.
            return picture.count == visualTokens ? .picture(picture.tokens) : nil
        }
        guard idCount < transcript.ids.count else { return nil }
        return .id(transcript.ids[idCount], transcript.scores.isEmpty ? nil : transcript.scores[idCount])
    }

    /// - Returns: text that is certain now
    mutating func append(_ id: Int, _ score: TokenScore?) -> String {
        idCount += 1
        if let score { untold.append(score) }
        return keep(current.append(id))
    }

    mutating func append(_ pictures: [GeneratedPicture]) {
        pictureCount += 1
        parts += pictures.map(ChatReply.Part.picture)
        current = emptyText
    }

    mutating func skipPicture() { pictureCount += 1 }

    /// Nothing is added to the text before a picture.
    /// - Returns: the rest of it
    mutating func endText() -> String { keep(current.finish()) }

    /// Nothing follows.
    mutating func finish() -> String {
        isFinished = true
        return endText()
    }

    /// The scores that belong to news of this text; nil where there is nothing to tell.
    mutating func takeScores(with delta: String) -> [TokenScore]? {
        guard !delta.isEmpty || isFinished && !untold.isEmpty else { return nil }
        defer { untold = [] }
        return untold
    }

    private mutating func keep(_ delta: String) -> String {
        guard !delta.isEmpty else { return delta }
        if case .text(let text)? = parts.last {
            parts[parts.count - 1] = .text(text + delta)
        } else {
            parts.append(.text(delta))
        }
        return delta
    }
}
