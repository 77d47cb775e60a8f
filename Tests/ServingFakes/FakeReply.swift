import Foundation
import Images
import Pipelines

/// One reply that repeats the last message, a word a step; where a word is `draw`, a picture follows it, a step of its
/// own. The token limit counts steps.
struct FakeReply: PipelineRun {
    private let request: ChatRequest
    private let pieces: [ReplyNews.Content]
    private let compute: @Sendable (_ step: Int) throws -> Void
    private var step: Int
    private(set) var news: [ReplyNews] = []

    /// - Parameter compute: called in every step
    init(_ request: ChatRequest, step: Int, compute: @escaping @Sendable (_ step: Int) throws -> Void) {
        self.request = request
        self.compute = compute
        self.step = step
        let words = "You asked: \(request.turns.last?.text ?? "")".split(separator: " ")
        pieces = words.enumerated().flatMap { index, word in
            let text = index == 0 ? String(word) : " \(word)"
            let piece = ReplyNews.Content.text(text, scores: Self.scores(text, request))
            return word == "draw" ? [piece, .picture(Self.picture(seed: request.seed))] : [piece]
        }
        news = pieces.prefix(step).map { ReplyNews($0) }
    }

    private static func picture(seed: UInt64) -> GeneratedPicture {
        let color = RGBColor(red: UInt8(truncatingIfNeeded: seed), green: 0, blue: 255)
        return GeneratedPicture(image: PixelImage(width: 16, height: 8, color: color), seed: seed)
    }

    private static func scores(_ text: String, _ request: ChatRequest) -> [TokenScore] {
        guard let top = request.topLogProbabilities else { return [] }
        let candidate = TokenScore.Candidate(text: text, logProbability: -0.5)
        return [TokenScore(chosen: candidate, top: Array(repeating: candidate, count: top))]
    }

    private var steps: Int { min(pieces.count, request.maxTokens) }

    var progress: RunProgress {
        RunProgress(stage: stage, step: step, steps: steps)
    }

    private var stage: RunProgress.Stage {
        guard step < steps else { return .finished }
        return if case .picture = pieces[step] { .denoise } else { .decodeToken }
    }

    mutating func advance() throws -> RunResult? {
        try compute(step)
        news = [ReplyNews(pieces[step])]
        step += 1
        return step == steps ? result : nil
    }

    func archivedState() throws -> Data { Data(String(step).utf8) }

    private var result: RunResult {
        var parts: [ChatReply.Part] = []
        var scores: [TokenScore] = []
        for piece in pieces.prefix(steps) {
            switch piece {
            case .picture(let picture): parts.append(.picture(picture))
            case .text(let text, let own):
                scores += own
                if case .text(let before)? = parts.last {
                    parts[parts.count - 1] = .text(before + text)
                } else {
                    parts.append(.text(text))
                }
            }
        }
        let reply = ChatReply(
            parts: parts,
            tokenIDs: Array(1...steps),
            finishReason: steps < pieces.count ? .length : .stop,
            scores: request.topLogProbabilities == nil ? nil : scores
        )
        return .replies([reply], usage: TokenUsage(inputTokens: request.turns.count, outputTokens: steps))
    }
}
