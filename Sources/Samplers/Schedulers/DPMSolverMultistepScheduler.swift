import Foundation

/// DPM-Solver++ multistep (arXiv 2211.01095), of order 1 to 3, for diffusion and, with flow sigmas, for rectified flow.
package struct DPMSolverMultistepScheduler: Scheduler {
    package let noiseSchedule: NoiseSchedule
    private let settings: DPMSolverSettings
    private let levels: Levels
    private let grid: TimestepGrid
    /// Timesteps left when the noisiest are cut off by `lambda_min_clipped`.
    private let timestepLimit: Int
    private let finalSigma: Float
    private let roundsKarrasTimesteps: Bool

    /// How noise levels are chosen.
    private enum Levels {
        case trainTimesteps
        /// Karras et al. (arXiv 2206.00364), equation (5) with ρ = 7.
        case karras
        /// σ of rectified flow, shifted towards noise (Esser et al., arXiv 2403.03206, section 5.3.2).
        case flow(shift: Double)
    }

    private enum FinalSigma: String, CaseIterable {
        case zero
        case smallest = "sigma_min"
    }

    private enum Algorithm: String, CaseIterable {
        case plusPlus = "dpmsolver++"
    }

    package init(_ configuration: SchedulerConfiguration) throws(SchedulerError) {
        let rescales = try configuration.flag("rescale_betas_zero_snr", default: false)
        var noise = try NoiseSchedule(configuration, rescalesToZeroSNR: rescales)
        if rescales { noise.keepLastAlphaAboveZero() }
        noiseSchedule = noise

        let _: Algorithm? = try configuration.choice("algorithm_type")
        try configuration.refuse("use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas")
        // Read only to refuse the learned ones.
        let _: DDPMScheduler.Variance? = try configuration.choice("variance_type")
        let usesFlow = try configuration.flag("use_flow_sigmas", default: false)
        if try configuration.flag("use_karras_sigmas", default: false) {
            guard !usesFlow else { throw configuration.invalid("use_karras_sigmas", "excludes use_flow_sigmas") }
            levels = .karras
        } else if usesFlow {
            levels = .flow(shift: try configuration.number("flow_shift", default: 1, in: shiftRange))
        } else {
            levels = .trainTimesteps
        }
        settings = try DPMSolverSettings(configuration, usesFlow: usesFlow)
        grid = try TimestepGrid(configuration, defaultSpacing: .linspace)
        roundsKarrasTimesteps = try configuration.choice("beta_schedule") != NoiseSchedule.BetaSchedule.squaredCosine

        let alphas = noise.alphasCumprod
        let lambdaFloor = Float(try configuration.number("lambda_min_clipped", default: -.infinity))
        let clipped = alphas.reversed().prefix { log($0.squareRoot()) - log((1 - $0).squareRoot()) < lambdaFloor }.count
        timestepLimit = alphas.count - clipped
        guard timestepLimit > 0 else { throw configuration.invalid("lambda_min_clipped", "leaves no timesteps") }
        switch try configuration.choice("final_sigmas_type") ?? FinalSigma.zero {
        case .zero: finalSigma = 0
        case .smallest: finalSigma = noise.sigma(at: 0)
        }
    }

    package func schedule(steps: Int) throws(SchedulerError) -> DenoisingSchedule {
        try checkStepCount(steps)
        let timesteps: [Int]
        var sigmas: [Float]
        switch levels {
        case .trainTimesteps:
            timesteps = try spacedTimesteps(steps)
            // Beyond the last timestep (by `steps_offset`) the noise level stays that of the last, as in diffusers.
            sigmas = timesteps.map { noiseSchedule.sigma(at: min($0, noiseSchedule.timestepCount - 1)) }
        case .karras:
            let levels = karrasSigmas(steps)
            let logSigmas = noiseSchedule.alphasCumprod.indices.map { Double(log(noiseSchedule.sigma(at: $0))) }
            timesteps = levels.map { karrasTimestep($0, among: logSigmas) }
            sigmas = levels.map(Float.init)
        case .flow(let shift):
            let levels = flowSigmas(steps, shift: shift)
            timesteps = levels.map { Int($0 * Double(noiseSchedule.timestepCount)) }
            sigmas = levels.map(Float.init)
        }
        guard sigmas.allSatisfy({ $0.isFinite && $0 > 0 }) else {
            throw .invalidStepCount(steps: steps, reason: "the noise schedule gives no finite noise levels above 0")
        }
        sigmas.append(finalSigma)
        return DenoisingSchedule(
            timesteps: timesteps.map(Float.init),
            sigmas: sigmas,
            solver: DPMSolver(settings: settings, sigmas: sigmas)
        )
    }

    private func spacedTimesteps(_ steps: Int) throws(SchedulerError) -> [Int] {
        switch grid.spacing {
        case .linspace:
            return numpyLinspace(0, Double(timestepLimit - 1), steps + 1).reversed().dropLast()
                .map(TimestepGrid.rounded)
        case .leading:
            let ratio = timestepLimit / (steps + 1)
            guard ratio > 0 else {
                throw .invalidStepCount(steps: steps, reason: "\"leading\" spacing takes at most \(timestepLimit - 1)")
            }
            return (1...steps).reversed().map { $0 * ratio + grid.offset }
        case .trailing:
            let count = noiseSchedule.timestepCount
            let timesteps = TimestepGrid.trailing(from: timestepLimit, steps: steps, trainTimesteps: count)
            try noiseSchedule.check(timesteps, steps: steps)
            return timesteps
        }
    }

    private func flowSigmas(_ steps: Int, shift: Double) -> [Double] {
        let alphas = numpyLinspace(1, 1 / Double(noiseSchedule.timestepCount), steps + 1)
        return alphas.dropFirst().reversed().map { alpha in
            let sigma = 1 - alpha
            return shift * sigma / (1 + (shift - 1) * sigma)
        }
    }

    private func karrasSigmas(_ steps: Int) -> [Double] {
        let rho = 7.0
        let smallest = pow(Double(noiseSchedule.sigma(at: 0)), 1 / rho)
        let largest = pow(Double(noiseSchedule.sigma(at: noiseSchedule.timestepCount - 1)), 1 / rho)
        return numpyLinspace(0, 1, steps).map { pow(largest + $0 * (smallest - largest), rho) }
    }

    /// The timestep of training whose noise level is `sigma`, between two neighbours by log σ.
    private func karrasTimestep(_ sigma: Double, among logSigmas: [Double]) -> Int {
        let logSigma = log(max(sigma, 1e-10))
        let below = logSigmas.lastIndex { logSigma >= $0 } ?? 0
        let low = min(below, logSigmas.count - 2)
        let position = (logSigmas[low] - logSigma) / (logSigmas[low] - logSigmas[low + 1])
        // Equal neighbours have no position between them.
        let weight = position.isNaN ? 0 : min(max(position, 0), 1)
        let timestep = (1 - weight) * Double(low) + weight * Double(low + 1)
        return roundsKarrasTimesteps ? TimestepGrid.rounded(timestep) : Int(timestep)
    }
}

/// Shifts are ratios; these bounds are far beyond any model's and keep sigmas finite.
let shiftRange = 1e-3...1e3

extension NoiseSchedule {
    /// √((1 − ᾱ) / ᾱ): the noise level relative to the signal.
    func sigma(at timestep: Int) -> Float {
        ((1 - alphasCumprod[timestep]) / alphasCumprod[timestep]).squareRoot()
    }
}
