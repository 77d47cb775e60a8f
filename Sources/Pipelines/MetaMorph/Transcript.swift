/// What the language model wrote, without what was made of it: the condition of everything that is rendered.
struct Transcript: Codable, Equatable, Sendable {
    /// A picture in visual tokens.
    struct Picture: Codable, Equatable, Sendable {
        /// How many ids stand before it.
        let position: Int
        fileprivate(set) var tokens = VisualTokens()
        fileprivate(set) var count = 0
    }

    /// Text tokens and image markers; EOS is left out.
    private(set) var ids: [Int] = []
    /// Of the ids, where they were asked for.
    private(set) var scores: [TokenScore] = []
    /// In their order; the last one may not be finished.
    private(set) var pictures: [Picture] = []
    var finishReason: GeneratedAnswer.FinishReason?
    /// Whether the first picture was drawn only because the model was made to.
    var isForced = false

    /// Generated tokens, visual ones included.
    var count: Int { pictures.reduce(ids.count) { $0 + $1.count } }

    mutating func append(_ id: Int, score: TokenScore?) {
        ids.append(id)
        if let score { scores.append(score) }
    }

    /// Adds a visual token: to the picture that is being drawn, or as the first of the next one.
    mutating func append(_ visualToken: VisualTokens) {
        if pictures.last?.position != ids.count { pictures.append(Picture(position: ids.count)) }
        pictures[pictures.count - 1].tokens.append(visualToken)
        pictures[pictures.count - 1].count += 1
    }

    /// Everything that was generated as the sequence has it.
    var pieces: [VisualSequence.Piece] {
        var pieces: [VisualSequence.Piece] = []
        var position = 0
        for (index, picture) in pictures.enumerated() {
            pieces += ids[position..<picture.position].map { .tokens([$0]) }
            pieces += (0..<picture.count).map { .drawn(index, token: $0) }
            position = picture.position
        }
        return pieces + ids[position...].map { .tokens([$0]) }
    }

    /// Whether it can be the work of a model with these sizes: a saved one may be damaged.
    func fits(visionWidth: Int, visualTokens: Int, vocabularySize: Int) -> Bool {
        let positions = [0] + pictures.map(\.position) + [ids.count]
        return zip(positions, positions.dropFirst()).allSatisfy { $0 <= $1 }
            && ids.allSatisfy { (0..<vocabularySize).contains($0) }
            && (scores.isEmpty || scores.count == ids.count)
            && pictures.allSatisfy { (1...visualTokens).contains($0.count) }
            && pictures.allSatisfy { $0.tokens.values.count == $0.count * visionWidth }
    }

    /// Bytes in memory, about.
    var byteCount: Int {
        let scored = scores.reduce(0) { $0 + 64 * (1 + $1.top.count) }
        return 8 * ids.count + scored + pictures.reduce(0) { $0 + 4 * $1.tokens.values.count }
    }
}
