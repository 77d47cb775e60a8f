import Foundation
import Samplers

/// Chooses the next token from the logits.
///
/// Temperature, then the `topK` largest, then the smallest set whose probabilities reach `topP`: the order of
/// transformers' `generate`. One uniform draw a token.
struct TokenSampler: Codable, Equatable, Sendable {
    private let sampling: TokenSampling
    private var generator: TorchGenerator

    init(_ sampling: TokenSampling, seed: UInt64) {
        self.sampling = sampling
        generator = TorchGenerator(seed: seed)
    }

    /// The index of the chosen logit; the first of equal ones, as `torch.argmax`.
    mutating func next(_ logits: [Float]) -> Int {
        guard sampling.temperature > 0 else { return Self.largest(logits) }
        // Largest first; equal ones by index, so that the order is the same on every machine.
        var candidates = logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }
        if let topK = sampling.topK { candidates.removeLast(max(0, candidates.count - topK)) }
        let peak = Double(logits[candidates[0]])
        var weights = candidates.map { exp((Double(logits[$0]) - peak) / sampling.temperature) }
        if sampling.topP < 1 {
            let share = sampling.topP * weights.reduce(0, +)
            var sum = 0.0
            let kept = weights.firstIndex { weight in
                sum += weight
                return sum >= share
            }
            if let kept { weights.removeLast(weights.count - kept - 1) }
        }
        let draw = generator.uniform() * weights.reduce(0, +)
        var sum = 0.0
        let chosen = weights.firstIndex { weight in
            sum += weight
            return draw < sum
        }
        return candidates[chosen ?? weights.count - 1]
    }

    private static func largest(_ logits: [Float]) -> Int {
        var best = 0
        for (index, logit) in logits.enumerated() where logit > logits[best] { best = index }
        return best
    }
}
