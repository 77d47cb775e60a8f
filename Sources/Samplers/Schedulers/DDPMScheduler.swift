import Foundation

/// Denoising Diffusion Probabilistic Models (arXiv 2006.11239): ancestral sampling, with noise drawn at every step whose
/// timestep is above 0.
package struct DDPMScheduler: Scheduler {
    package let noiseSchedule: NoiseSchedule
    private let variance: Variance
    private let prediction: CleanPrediction
    private let limiter: SampleLimiter
    private let grid: TimestepGrid

    /// The variance of the noise a step adds. (diffusers' `fixed_large_log` takes the root of a negative number, and the
    /// learned ones need a network with twice the channels: neither is supported.)
    enum Variance: String, CaseIterable {
        case fixedSmall = "fixed_small"
        case fixedSmallLog = "fixed_small_log"
        case fixedLarge = "fixed_large"
    }

    package init(_ configuration: SchedulerConfiguration) throws(SchedulerError) {
        noiseSchedule = try NoiseSchedule(
            configuration,
            rescalesToZeroSNR: try configuration.flag("rescale_betas_zero_snr", default: false)
        )
        variance = try configuration.choice("variance_type") ?? .fixedSmall
        prediction = try CleanPrediction(configuration)
        limiter = try SampleLimiter.thresholdingOrClipping(configuration)
        grid = try TimestepGrid(configuration)
    }

    package func schedule(steps: Int) throws(SchedulerError) -> DenoisingSchedule {
        let count = noiseSchedule.timestepCount
        try checkStepCount(steps, atMost: count)
        let timesteps = grid.timesteps(steps: steps, trainTimesteps: count)
        try noiseSchedule.check(timesteps, steps: steps)
        let alphas = timesteps.map { noiseSchedule.alphasCumprod[$0] }
        let transitions = zip(alphas, alphas.dropFirst() + [1]).map(AlphaTransition.init)
        let deviations = zip(timesteps, transitions).map { timestep, transition in
            timestep > 0 ? variance.deviation(transition) : nil
        }
        return DenoisingSchedule(
            timesteps: timesteps.map(Float.init),
            solver: DDPMSolver(
                transitions: transitions,
                deviations: deviations,
                prediction: prediction,
                limiter: limiter
            )
        )
    }
}

extension DDPMScheduler.Variance {
    /// The standard deviation of the noise added by a step: the root of formula (7)'s β̃, or of β.
    func deviation(_ transition: AlphaTransition) -> Float {
        let beta = 1 - transition.from / transition.to
        let posterior = max((1 - transition.to) / (1 - transition.from) * beta, 1e-20)
        return switch self {
        case .fixedSmall: posterior.squareRoot()
        case .fixedSmallLog: exp(0.5 * log(posterior))
        case .fixedLarge: beta.squareRoot()
        }
    }
}

private struct DDPMSolver: Solver {
    let transitions: [AlphaTransition]
    /// By step; nil where no noise is drawn.
    let deviations: [Float?]
    let prediction: CleanPrediction
    let limiter: SampleLimiter

    func canContinue(_ state: DenoisingState) -> Bool { true }

    func advance(
        modelOutput: [Float],
        sample: [Float],
        state: inout DenoisingState,
        noise: inout some NormalSource
    ) -> [Float] {
        let transition = transitions[state.stepIndex]
        let clean = limiter(prediction.clean(modelOutput, sample, alpha: transition.from))
        // Formula (7): the mean of q(x_{t−1} | x_t, x₀).
        let alpha = transition.from / transition.to
        let cleanWeight = transition.to.squareRoot() * (1 - alpha) / (1 - transition.from)
        let sampleWeight = alpha.squareRoot() * (1 - transition.to) / (1 - transition.from)
        let mean = combine(cleanWeight, clean, sampleWeight, sample)
        guard let deviation = deviations[state.stepIndex] else { return mean }
        return combine(1, mean, deviation, noise.randn(sample.count))
    }

    func forward(step: Int) -> (signal: Float, noise: Float) { transitions[step].forward }
}
