import Foundation

/// What DPM-Solver++ does with the noise levels of a schedule.
struct DPMSolverSettings: Sendable {
    enum SecondOrder: Sendable {
        case midpoint
        case heun
    }

    let order: Int
    let secondOrder: SecondOrder
    let prediction: PredictionType
    let limiter: SampleLimiter
    /// x = (1 − σ) x₀ + σ ε instead of x = √ᾱ x₀ + √(1 − ᾱ) ε.
    let usesFlow: Bool
    let lowersFinalOrder: Bool
    let endsWithEuler: Bool

    private enum SolverType: String, CaseIterable {
        case midpoint
        case heun
        /// Other schedulers' types; diffusers, too, takes them as midpoint.
        case logrho
        case bh1
        case bh2
    }

    init(_ configuration: SchedulerConfiguration, usesFlow: Bool) throws(SchedulerError) {
        order = try configuration.integer("solver_order", default: 2, in: 1...3)
        switch try configuration.choice("solver_type") ?? SolverType.midpoint {
        case .heun: secondOrder = .heun
        case .midpoint, .logrho, .bh1, .bh2: secondOrder = .midpoint
        }
        prediction = try configuration.choice("prediction_type") ?? .epsilon
        limiter = try SampleLimiter.thresholding(configuration)
        self.usesFlow = usesFlow
        lowersFinalOrder = try configuration.flag("lower_order_final", default: true)
        endsWithEuler = try configuration.flag("euler_at_final", default: false)
    }
}

/// The updates of DPM-Solver++ (arXiv 2211.01095), in float32 as diffusers computes them.
struct DPMSolver: Solver {
    let settings: DPMSolverSettings
    /// Before each step and after the last.
    let sigmas: [Float]

    private var stepCount: Int { sigmas.count - 1 }

    /// Fewer steps than this end in lower orders, if `lower_order_final` is set.
    private static let fewSteps = 15

    func canContinue(_ state: DenoisingState) -> Bool {
        state.history.count == min(state.stepIndex, settings.order)
    }

    func advance(
        modelOutput: [Float],
        sample: [Float],
        state: inout DenoisingState,
        noise: inout some NormalSource
    ) -> [Float] {
        let step = state.stepIndex
        let earlier = state.history.count
        state.remember(settings.limiter(clean(modelOutput, sample, step: step)), atMost: settings.order)
        let predictions = Array(state.history.reversed())
        switch min(order(at: step), earlier + 1) {
        case 1: return firstOrder(sample, predictions, step)
        case 2: return secondOrder(sample, predictions, step)
        default: return thirdOrder(sample, predictions, step)
        }
    }

    func forward(step: Int) -> (signal: Float, noise: Float) {
        let level = NoiseLevel(sigma: sigmas[step], usesFlow: settings.usesFlow)
        return (level.alpha, level.sigma)
    }

    /// The order that the place in the schedule allows.
    private func order(at step: Int) -> Int {
        var order = settings.order
        let isShort = settings.lowersFinalOrder && stepCount < Self.fewSteps
        if step == stepCount - 1, settings.endsWithEuler || isShort || sigmas[stepCount] == 0 { order = 1 }
        if step == stepCount - 2, isShort { order = min(order, 2) }
        // Two equal noise levels (as rounding yields near one step per timestep) have no slope between them, and
        // diffusers divides by zero there.
        while order > 1, (step - order + 1..<step + 1).contains(where: { $0 < 0 || sigmas[$0] == sigmas[$0 + 1] }) {
            order -= 1
        }
        return order
    }

    private func clean(_ modelOutput: [Float], _ sample: [Float], step: Int) -> [Float] {
        let level = level(step)
        return switch settings.prediction {
        case .epsilon: sample.indices.map { (sample[$0] - level.sigma * modelOutput[$0]) / level.alpha }
        case .sample: modelOutput
        case .velocity: combine(level.alpha, sample, -level.sigma, modelOutput)
        case .flow: combine(1, sample, -sigmas[step], modelOutput)
        }
    }

    private func level(_ step: Int) -> NoiseLevel {
        NoiseLevel(sigma: sigmas[step], usesFlow: settings.usesFlow)
    }

    /// σ_t / σ_s x − α_t (e^{−h} − 1) x₀, which is DDIM.
    private func firstOrder(_ sample: [Float], _ predictions: [[Float]], _ step: Int) -> [Float] {
        let (source, target) = (level(step), level(step + 1))
        let h = target.lambda - source.lambda
        return combine(target.sigma / source.sigma, sample, -(target.alpha * (exp(-h) - 1)), predictions[0])
    }

    private func secondOrder(_ sample: [Float], _ predictions: [[Float]], _ step: Int) -> [Float] {
        let (target, source, earlier) = (level(step + 1), level(step), level(step - 1))
        let h = target.lambda - source.lambda
        let inverseRatio = 1 / ((source.lambda - earlier.lambda) / h)
        let decay = exp(-h) - 1
        let slopeWeight =
            switch settings.secondOrder {
            case .midpoint: -0.5 * (target.alpha * decay)
            case .heun: target.alpha * (decay / h + 1)
            }
        let sampleWeight = target.sigma / source.sigma
        let cleanWeight = target.alpha * decay
        let (newest, older) = (predictions[0], predictions[1])
        return sample.indices.map { index in
            let slope = inverseRatio * (newest[index] - older[index])
            return sampleWeight * sample[index] - cleanWeight * newest[index] + slopeWeight * slope
        }
    }

    private func thirdOrder(_ sample: [Float], _ predictions: [[Float]], _ step: Int) -> [Float] {
        let (target, source) = (level(step + 1), level(step))
        let (earlier, earliest) = (level(step - 1), level(step - 2))
        let h = target.lambda - source.lambda
        let r0 = (source.lambda - earlier.lambda) / h
        let r1 = (earlier.lambda - earliest.lambda) / h
        let decay = exp(-h) - 1
        let sampleWeight = target.sigma / source.sigma
        let cleanWeight = target.alpha * decay
        let slopeWeight = target.alpha * (decay / h + 1)
        let curvatureWeight = target.alpha * ((decay + h) / (h * h) - 0.5)
        return sample.indices.map { index in
            let recent = (1 / r0) * (predictions[0][index] - predictions[1][index])
            let older = (1 / r1) * (predictions[1][index] - predictions[2][index])
            let slope = recent + (r0 / (r0 + r1)) * (recent - older)
            let curvature = (1 / (r0 + r1)) * (recent - older)
            return sampleWeight * sample[index] - cleanWeight * predictions[0][index] + slopeWeight * slope
                - curvatureWeight * curvature
        }
    }
}

/// Signal and noise factors at one σ, and half their log signal-to-noise ratio λ = log(α / σ).
private struct NoiseLevel {
    let alpha: Float
    let sigma: Float

    init(sigma: Float, usesFlow: Bool) {
        alpha = usesFlow ? 1 - sigma : 1 / (sigma * sigma + 1).squareRoot()
        self.sigma = usesFlow ? sigma : sigma * alpha
    }

    /// ∞ at σ = 0, where e^{−h} is 0 as it should be.
    var lambda: Float { log(alpha) - log(sigma) }
}
