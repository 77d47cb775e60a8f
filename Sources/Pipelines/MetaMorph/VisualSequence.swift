/// Text and visual tokens in the order in which the language model reads them, cut into passes.
///
/// Where a sequence is cut depends on nothing but the sequence itself, so that the same sequence always has the same
/// bytes, whatever ran beside it.
struct VisualSequence: Equatable, Sendable {
    enum Piece: Equatable, Sendable {
        case tokens([Int])
        /// Some of the visual tokens of the prompt's picture with this index.
        case source(Int, Range<Int>)
        /// A visual token of the reply's picture with this index.
        case drawn(Int, token: Int)

        var count: Int {
            switch self {
            case .tokens(let ids): ids.count
            case .source(_, let tokens): tokens.count
            case .drawn: 1
            }
        }
    }

    /// Rows that a pass may have: enough for full speed, few enough for the engine to turn to other runs.
    static let longestPass = 256

    private(set) var passes: [[Piece]] = []
    /// Whether the last pass takes no more.
    private var isLastFull = false

    /// Rows of the whole sequence.
    var count: Int { passes.reduce(0) { $0 + Self.rows($1) } }

    private static func rows(_ pass: [Piece]) -> Int { pass.reduce(0) { $0 + $1.count } }

    /// Rows that the last pass has room for; a new one begins where it has none.
    private mutating func room() -> Int {
        if let last = passes.last, !isLastFull, Self.rows(last) < Self.longestPass {
            return Self.longestPass - Self.rows(last)
        }
        passes.append([])
        isLastFull = false
        return Self.longestPass
    }

    /// What follows begins a pass of its own.
    mutating func endPass() {
        isLastFull = true
    }

    /// Adds text to a prompt.
    mutating func append(_ ids: [Int]) {
        var rest = ids[...]
        while !rest.isEmpty {
            let part = rest.prefix(room())
            passes[passes.count - 1].append(.tokens(Array(part)))
            rest = rest.dropFirst(part.count)
        }
    }

    /// Adds a picture to a prompt.
    mutating func append(source: Int, tokens: Int) {
        var start = 0
        while start < tokens {
            let end = min(tokens, start + room())
            passes[passes.count - 1].append(.source(source, start..<end))
            start = end
        }
    }

    /// Adds what was generated: a pass of its own, as every token comes out of the one before.
    mutating func appendPass(_ piece: Piece) {
        passes.append([piece])
    }
}
