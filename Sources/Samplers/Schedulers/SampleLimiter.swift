/// What keeps predicted clean latents in range: dynamic thresholding (Imagen, arXiv 2205.11487, section 2.3), clipping,
/// or nothing.
enum SampleLimiter: Sendable, Equatable {
    case none
    case clip(Float)
    case threshold(quantile: Float, maximum: Float)

    /// Reads `thresholding` with its options.
    static func thresholding(_ configuration: SchedulerConfiguration) throws(SchedulerError) -> SampleLimiter {
        guard try configuration.flag("thresholding", default: false) else { return .none }
        return .threshold(
            quantile: Float(try configuration.number("dynamic_thresholding_ratio", default: 0.995, in: 0...1)),
            maximum: Float(try configuration.number("sample_max_value", default: 1))
        )
    }

    /// Reads `clip_sample` too, which thresholding overrides.
    static func thresholdingOrClipping(
        _ configuration: SchedulerConfiguration
    ) throws(SchedulerError) -> SampleLimiter {
        let threshold = try thresholding(configuration)
        guard threshold == .none, try configuration.flag("clip_sample", default: true) else { return threshold }
        return .clip(Float(try configuration.number("clip_sample_range", default: 1)))
    }

    func callAsFunction(_ sample: [Float]) -> [Float] {
        switch self {
        case .none:
            return sample
        case .clip(let range):
            return Self.clamped(sample, to: range)
        case .threshold(let quantile, let maximum):
            guard !sample.isEmpty else { return sample }
            let limit = min(max(Self.quantile(quantile, of: sample.map(abs)), 1), maximum)
            return Self.clamped(sample, to: limit).map { $0 / limit }
        }
    }

    private static func clamped(_ sample: [Float], to limit: Float) -> [Float] {
        sample.map { min(max($0, -limit), limit) }
    }

    /// `torch.quantile`, linear between the two values around the rank.
    private static func quantile(_ quantile: Float, of values: [Float]) -> Float {
        let sorted = values.sorted()
        let rank = quantile * Float(sorted.count - 1)
        let below = Int(rank)
        let weight = rank - Float(below)
        let (low, high) = (sorted[below], sorted[min(below + 1, sorted.count - 1)])
        return weight < 0.5 ? low + weight * (high - low) : high - (high - low) * (1 - weight)
    }
}
