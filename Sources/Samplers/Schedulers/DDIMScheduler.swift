/// Denoising Diffusion Implicit Models (arXiv 2010.02502), deterministic (η = 0).
package struct DDIMScheduler: Scheduler {
    package let noiseSchedule: NoiseSchedule
    private let setAlphaToOne: Bool
    private let prediction: CleanPrediction
    private let limiter: SampleLimiter
    private let grid: TimestepGrid

    package init(_ configuration: SchedulerConfiguration) throws(SchedulerError) {
        noiseSchedule = try NoiseSchedule(
            configuration,
            rescalesToZeroSNR: try configuration.flag("rescale_betas_zero_snr", default: false)
        )
        setAlphaToOne = try configuration.flag("set_alpha_to_one", default: true)
        prediction = try CleanPrediction(configuration)
        limiter = try SampleLimiter.thresholdingOrClipping(configuration)
        grid = try TimestepGrid(configuration)
    }

    package func schedule(steps: Int) throws(SchedulerError) -> DenoisingSchedule {
        let count = noiseSchedule.timestepCount
        try checkStepCount(steps, atMost: count)
        let timesteps = grid.timesteps(steps: steps, trainTimesteps: count)
        try noiseSchedule.check(timesteps, steps: steps)
        let alphas = noiseSchedule.alphasCumprod
        let finalAlpha = setAlphaToOne ? 1 : alphas[0]
        let transitions = timesteps.map { timestep in
            let previous = timestep - count / steps
            return AlphaTransition(from: alphas[timestep], to: previous >= 0 ? alphas[previous] : finalAlpha)
        }
        return DenoisingSchedule(
            timesteps: timesteps.map(Float.init),
            solver: DDIMSolver(transitions: transitions, prediction: prediction, limiter: limiter)
        )
    }
}

private struct DDIMSolver: Solver {
    let transitions: [AlphaTransition]
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
        let clean = prediction.clean(modelOutput, sample, alpha: transition.from)
        let epsilon = prediction.epsilon(modelOutput, sample, alpha: transition.from)
        // Formula (12) with σ = 0.
        return combine(transition.to.squareRoot(), limiter(clean), (1 - transition.to).squareRoot(), epsilon)
    }

    func forward(step: Int) -> (signal: Float, noise: Float) { transitions[step].forward }
}

/// ᾱ before and after a step.
struct AlphaTransition: Sendable {
    let from: Float
    let to: Float

    /// Factors of clean latents and noise before the step.
    var forward: (signal: Float, noise: Float) { (from.squareRoot(), (1 - from).squareRoot()) }
}
