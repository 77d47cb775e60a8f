/// A sampler of diffusion or flow models with the settings of its configuration file, as diffusers names it.
///
/// None of the schedulers here scales the network's input, and all start from N(0, 1).
package protocol Scheduler: Sendable {
    /// The schedule of a run with `steps` inference steps.
    ///
    /// It can hold more network evaluations than `steps` (PNDM repeats some).
    ///
    /// - Throws: `SchedulerError.invalidStepCount` where this scheduler cannot run so many steps.
    func schedule(steps: Int) throws(SchedulerError) -> DenoisingSchedule
}

/// The most steps a schedule is made for: beyond it no sampler gains anything, and a client must not ask for more.
let maximumStepCount = 1000

/// The way from noise to latents: the timesteps in order, and the arithmetic between them.
///
/// Immutable; what a run changes is its `DenoisingState`. Latents are those of one image, in any layout.
package struct DenoisingSchedule: Sendable {
    /// What the network is told at each evaluation, equal to diffusers' `timesteps` (whole numbers, except for
    /// FlowMatchEulerDiscrete).
    package let timesteps: [Float]
    /// diffusers' `sigmas`: noise levels before each evaluation and after the last; empty for DDIM, DDPM and PNDM.
    package let sigmas: [Float]

    let solver: any Solver

    init(timesteps: [Float], sigmas: [Float] = [], solver: any Solver) {
        self.timesteps = timesteps
        self.sigmas = sigmas
        self.solver = solver
    }

    /// One step: the latents at the next noise level.
    ///
    /// - Parameters:
    ///   - modelOutput: the network's (guided) prediction at `timesteps[state.stepIndex]`, as large as `sample`.
    ///   - sample: the latents that the network saw.
    ///   - state: what earlier steps left; it moves on by one step.
    ///   - noise: drawn from by stochastic schedulers only (DDPM), one value per latent.
    /// - Throws: `SchedulerError.mismatchedState` if the run is over, sizes differ, or `state` is from another schedule.
    package func step(
        modelOutput: [Float],
        sample: [Float],
        state: inout DenoisingState,
        noise: inout some NormalSource
    ) throws(SchedulerError) -> [Float] {
        guard timesteps.indices.contains(state.stepIndex) else {
            throw .mismatchedState(reason: "step \(state.stepIndex) of a schedule with \(timesteps.count)")
        }
        guard modelOutput.count == sample.count, state.holdsLatents(of: sample.count) else {
            throw .mismatchedState(reason: "latents, prediction and history differ in size")
        }
        guard solver.canContinue(state) else {
            throw .mismatchedState(reason: "the history does not fit step \(state.stepIndex)")
        }
        let next = solver.advance(modelOutput: modelOutput, sample: sample, state: &state, noise: &noise)
        state.stepIndex += 1
        return next
    }

    /// Latents on their way to noise, at the noise level before evaluation `step`.
    ///
    /// - Precondition: `step` is one of the schedule's, `sample` and `noise` have one size.
    package func addNoise(to sample: [Float], noise: [Float], step: Int) -> [Float] {
        let (signal, deviation) = solver.forward(step: step)
        return combine(signal, sample, deviation, noise)
    }
}

/// The arithmetic of one schedule.
protocol Solver: Sendable {
    /// Whether the history in `state` is what the steps before `state.stepIndex` leave behind.
    func canContinue(_ state: DenoisingState) -> Bool

    func advance(
        modelOutput: [Float],
        sample: [Float],
        state: inout DenoisingState,
        noise: inout some NormalSource
    ) -> [Float]

    /// Factors of clean latents and noise before evaluation `step`.
    func forward(step: Int) -> (signal: Float, noise: Float)
}
