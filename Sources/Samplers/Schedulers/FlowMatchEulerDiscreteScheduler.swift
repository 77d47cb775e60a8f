/// Euler steps along rectified flow: x = (1 − σ) x₀ + σ ε, the network predicts ε − x₀ (arXiv 2403.03206).
package struct FlowMatchEulerDiscreteScheduler: Scheduler {
    private let trainTimesteps: Int
    private let shift: Double

    package init(_ configuration: SchedulerConfiguration) throws(SchedulerError) {
        trainTimesteps = try configuration.integer(
            "num_train_timesteps",
            default: 1000,
            in: NoiseSchedule.timestepRange
        )
        shift = try configuration.number("shift", default: 1, in: shiftRange)
        try configuration.refuse(
            "use_dynamic_shifting",
            "invert_sigmas",
            "use_karras_sigmas",
            "use_exponential_sigmas",
            "use_beta_sigmas",
            "stochastic_sampling",
            "shift_terminal"
        )
    }

    /// Sigmas evenly spaced between those of the last and first timestep of training, then shifted. (diffusers shifts
    /// the ends a second time; so does this.)
    package func schedule(steps: Int) throws(SchedulerError) -> DenoisingSchedule {
        try checkStepCount(steps)
        let count = Double(trainTimesteps)
        let first = Double(Self.shifted(1, by: Float(shift))) * count
        let last = Double(Self.shifted(1 / Float(trainTimesteps), by: Float(shift))) * count
        let sigmas = numpyLinspace(first, last, steps).map { timestep in
            let sigma = timestep / count
            return Float(shift * sigma / (1 + (shift - 1) * sigma))
        }
        return schedule(shiftedSigmas: sigmas)
    }

    /// A schedule over given noise levels before shifting, from 1 down.
    ///
    /// - Throws: `SchedulerError.invalidStepCount` for no sigmas, or more than a schedule takes.
    package func schedule(sigmas: [Float]) throws(SchedulerError) -> DenoisingSchedule {
        try checkStepCount(sigmas.count)
        return schedule(shiftedSigmas: sigmas.map { Self.shifted($0, by: Float(shift)) })
    }

    private func schedule(shiftedSigmas: [Float]) -> DenoisingSchedule {
        let sigmas = shiftedSigmas + [0]
        return DenoisingSchedule(
            timesteps: shiftedSigmas.map { $0 * Float(trainTimesteps) },
            sigmas: sigmas,
            solver: FlowEulerSolver(sigmas: sigmas)
        )
    }

    private static func shifted(_ sigma: Float, by shift: Float) -> Float {
        shift * sigma / (1 + (shift - 1) * sigma)
    }
}

private struct FlowEulerSolver: Solver {
    let sigmas: [Float]

    func canContinue(_ state: DenoisingState) -> Bool { true }

    func advance(
        modelOutput: [Float],
        sample: [Float],
        state: inout DenoisingState,
        noise: inout some NormalSource
    ) -> [Float] {
        combine(1, sample, sigmas[state.stepIndex + 1] - sigmas[state.stepIndex], modelOutput)
    }

    func forward(step: Int) -> (signal: Float, noise: Float) { (1 - sigmas[step], sigmas[step]) }
}
