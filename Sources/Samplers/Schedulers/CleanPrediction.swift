/// From what a network predicts to clean latents x₀ and noise ε, with xₜ = √ᾱ x₀ + √(1 − ᾱ) ε.
enum CleanPrediction: Sendable {
    case epsilon
    case sample
    case velocity

    /// Reads `prediction_type` for the schedulers of variance-preserving diffusion (DDIM, DDPM).
    init(_ configuration: SchedulerConfiguration) throws(SchedulerError) {
        switch try configuration.choice("prediction_type") ?? PredictionType.epsilon {
        case .epsilon: self = .epsilon
        case .sample: self = .sample
        case .velocity: self = .velocity
        case .flow:
            throw configuration.invalid("prediction_type", "\"flow_prediction\" is not defined for this scheduler")
        }
    }

    func clean(_ modelOutput: [Float], _ sample: [Float], alpha: Float) -> [Float] {
        let (signal, deviation) = (alpha.squareRoot(), (1 - alpha).squareRoot())
        return switch self {
        case .epsilon: sample.indices.map { (sample[$0] - deviation * modelOutput[$0]) / signal }
        case .sample: modelOutput
        case .velocity: combine(signal, sample, -deviation, modelOutput)
        }
    }

    func epsilon(_ modelOutput: [Float], _ sample: [Float], alpha: Float) -> [Float] {
        let (signal, deviation) = (alpha.squareRoot(), (1 - alpha).squareRoot())
        return switch self {
        case .epsilon: modelOutput
        case .sample: sample.indices.map { (sample[$0] - signal * modelOutput[$0]) / deviation }
        case .velocity: combine(signal, modelOutput, deviation, sample)
        }
    }
}
