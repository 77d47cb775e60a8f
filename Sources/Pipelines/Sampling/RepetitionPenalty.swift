/// Tokens that stand in a prompt or in the reply so far become less likely (CTRL, arXiv 1909.05858, section 4.1).
///
/// transformers' `generate` does so wherever a model's `generation_config.json` says it, also where it takes the most
/// likely token, and before temperature, top-k and top-p.
struct RepetitionPenalty: Sendable, Equatable {
    /// What positive logits are divided by and negative ones multiplied with; 1 changes nothing.
    let factor: Float

    static let neutral = RepetitionPenalty(factor: 1)

    /// - Parameters:
    ///   - logits: of the whole vocabulary
    ///   - prompt: ids that occur in the prompt, placeholders of pictures included
    ///   - reply: ids so far
    func callAsFunction(_ logits: [Float], prompt: Set<Int>, reply: [Int]) -> [Float] {
        guard factor != 1 else { return logits }
        var logits = logits
        // Once each, however often it occurs; a prompt may hold tokens that are never scored.
        for id in prompt.union(reply) where logits.indices.contains(id) {
            logits[id] = logits[id] < 0 ? logits[id] * factor : logits[id] / factor
        }
        return logits
    }
}
