import Foundation
import Tokenizers

extension TokenScore {
    /// - Parameters:
    ///   - id: the token that was chosen
    ///   - logits: of the whole vocabulary, before temperature
    ///   - count: how many alternatives to name
    init(_ id: Int, _ logits: [Float], top count: Int, _ tokenizer: Tokenizer) {
        let peak = Double(logits.max() ?? 0)
        let normalizer = peak + log(logits.reduce(0) { $0 + exp(Double($1) - peak) })
        func candidate(_ id: Int) -> Candidate {
            // Logits of a broken model are no numbers; JSON has none either.
            let value = Double(logits[id]) - normalizer
            return Candidate(
                text: tokenizer.decode([id], skipSpecialTokens: false),
                logProbability: value.isFinite ? value : -9999
            )
        }
        // Largest first; equal ones by index, as the greedy choice.
        let order =
            count == 0 ? [] : logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }.prefix(count)
        self.init(chosen: candidate(id), top: order.map(candidate))
    }
}
