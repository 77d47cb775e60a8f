import Checkpoints
import Networks

/// What `generation_config.json` says about every reply of a model. Its sampling is not read: requests say how they sample,
/// and where they don't the most likely token is taken.
struct GenerationConfig: Sendable, Equatable, Decodable {
    /// Each of them ends a reply.
    var endTokens: Set<Int>
    var repetitionPenalty: RepetitionPenalty

    private enum CodingKeys: String, CodingKey {
        case endTokens = "eos_token_id"
        case repetitionPenalty = "repetition_penalty"
    }

    /// Of a model without the file.
    init(endTokens: [Int]) {
        self.endTokens = Set(endTokens)
        repetitionPenalty = .neutral
    }

    init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        endTokens = Set(try config.tokenIDs(.endTokens))
        // Beyond any that was ever used, and far from where float32 would overflow.
        let factor = try config.number(.repetitionPenalty, in: 1e-3...1e3, default: 1)
        repetitionPenalty = RepetitionPenalty(factor: Float(factor))
    }
}
