/// Pseudo numerical methods for diffusion models (arXiv 2202.09778): fourth-order linear multistep, started by
/// Runge–Kutta steps or, with `skip_prk_steps`, by lower orders and one improved Euler step.
package struct PNDMScheduler: Scheduler {
    package let noiseSchedule: NoiseSchedule
    private let skipsRungeKutta: Bool
    private let setAlphaToOne: Bool
    private let predictsVelocity: Bool
    private let grid: TimestepGrid

    package init(_ configuration: SchedulerConfiguration) throws(SchedulerError) {
        noiseSchedule = try NoiseSchedule(configuration)
        skipsRungeKutta = try configuration.flag("skip_prk_steps", default: false)
        setAlphaToOne = try configuration.flag("set_alpha_to_one", default: false)
        switch try configuration.choice("prediction_type") ?? PredictionType.epsilon {
        case .epsilon: predictsVelocity = false
        case .velocity: predictsVelocity = true
        case .sample, .flow:
            throw configuration.invalid("prediction_type", "PNDM takes \"epsilon\" or \"v_prediction\"")
        }
        grid = try TimestepGrid(configuration)
    }

    /// With `skip_prk_steps` N + 1 evaluations (1 for N = 1), else N + 9; Runge–Kutta needs N ≥ 4.
    package func schedule(steps: Int) throws(SchedulerError) -> DenoisingSchedule {
        try checkStepCount(steps, atLeast: skipsRungeKutta ? 1 : 4)
        let count = noiseSchedule.timestepCount
        let grid = grid.timesteps(steps: steps, trainTimesteps: count)
        let moves =
            skipsRungeKutta
            ? Self.multistepMoves(grid, stride: count / steps)
            : Self.rungeKuttaMoves(grid, stride: count / steps)
        try noiseSchedule.check(moves.flatMap { [$0.timestep, $0.from, max($0.to, 0)] }, steps: steps)
        let alphas = noiseSchedule.alphasCumprod
        let finalAlpha = setAlphaToOne ? 1 : alphas[0]
        return DenoisingSchedule(
            timesteps: moves.map { Float($0.timestep) },
            solver: PNDMSolver(
                evaluationAlphas: moves.map { alphas[$0.timestep] },
                transitions: moves.map { move in
                    AlphaTransition(from: alphas[move.from], to: move.to < 0 ? finalAlpha : alphas[move.to])
                },
                rungeKuttaCount: skipsRungeKutta ? 0 : Self.rungeKuttaEvaluations,
                predictsVelocity: predictsVelocity
            )
        )
    }

    /// One evaluation: the network is asked at `timestep`, the latents move between two others.
    private struct Move {
        var timestep: Int
        var from: Int
        var to: Int
    }

    /// Three Runge–Kutta steps of four evaluations.
    private static let rungeKuttaEvaluations = 12

    /// The second timestep is evaluated twice: once from the first by Euler, once more to improve that step.
    private static func multistepMoves(_ grid: [Int], stride: Int) -> [Move] {
        var moves = grid.map { Move(timestep: $0, from: $0, to: $0 - stride) }
        if grid.count > 1 {
            moves.insert(Move(timestep: grid[1], from: grid[1] + stride, to: grid[1]), at: 1)
        }
        return moves
    }

    /// Each Runge–Kutta step evaluates its start, twice the middle, and its end; every move starts from its start.
    private static func rungeKuttaMoves(_ grid: [Int], stride: Int) -> [Move] {
        let half = stride / 2
        let starts = (0..<3).flatMap { step -> [Move] in
            let (start, end) = (grid[step], grid[step + 1])
            let middle = end + half
            return [
                Move(timestep: start, from: start, to: start - half),
                Move(timestep: middle, from: start, to: middle),
                Move(timestep: middle, from: start, to: middle - half),
                Move(timestep: end, from: start, to: end),
            ]
        }
        return starts + grid[3...].map { Move(timestep: $0, from: $0, to: $0 - stride) }
    }
}

private struct PNDMSolver: Solver {
    /// ᾱ at the timestep of each evaluation.
    let evaluationAlphas: [Float]
    let transitions: [AlphaTransition]
    /// Evaluations in Runge–Kutta steps at the start.
    let rungeKuttaCount: Int
    let predictsVelocity: Bool

    /// Of the multistep formula.
    private static let order = 4

    func canContinue(_ state: DenoisingState) -> Bool {
        let step = state.stepIndex
        let remembered = state.history.count
        if step < rungeKuttaCount {
            let isFirstStage = step % 4 == 0
            return remembered == (step + 3) / 4
                && (isFirstStage || (state.heldSample != nil && state.predictionSum != nil))
        }
        if rungeKuttaCount > 0 { return remembered == min(3 + step - rungeKuttaCount, Self.order) }
        return step == 1
            ? remembered == 1 && state.heldSample != nil
            : remembered == min(max(step - 1, 0), Self.order)
    }

    func advance(
        modelOutput: [Float],
        sample: [Float],
        state: inout DenoisingState,
        noise: inout some NormalSource
    ) -> [Float] {
        let step = state.stepIndex
        return step < rungeKuttaCount
            ? rungeKutta(stage: step % 4, modelOutput, sample, &state)
            : multistep(modelOutput, sample, &state)
    }

    func forward(step: Int) -> (signal: Float, noise: Float) {
        let alpha = evaluationAlphas[step]
        return (alpha.squareRoot(), (1 - alpha).squareRoot())
    }

    private func rungeKutta(
        stage: Int,
        _ modelOutput: [Float],
        _ sample: [Float],
        _ state: inout DenoisingState
    ) -> [Float] {
        let weight: Float = stage == 0 || stage == 3 ? 1.0 / 6 : 1.0 / 3
        let sum = state.predictionSum.map { combine(1, $0, weight, modelOutput) } ?? modelOutput.map { weight * $0 }
        let start = stage == 0 ? sample : state.heldSample ?? sample
        if stage == 0 {
            state.remember(modelOutput, atMost: Self.order)
            state.heldSample = sample
        }
        state.predictionSum = stage == 3 ? nil : sum
        return moved(start, by: stage == 3 ? sum : modelOutput, transitions[state.stepIndex])
    }

    private func multistep(_ modelOutput: [Float], _ sample: [Float], _ state: inout DenoisingState) -> [Float] {
        let transition = transitions[state.stepIndex]
        if state.stepIndex == 1, rungeKuttaCount == 0, let start = state.heldSample, let first = state.history.last {
            state.heldSample = nil
            return moved(start, by: zip(modelOutput, first).map { ($0 + $1) / 2 }, transition)
        }
        state.remember(modelOutput, atMost: Self.order)
        state.heldSample = state.stepIndex == 0 ? sample : nil
        return moved(sample, by: Self.extrapolated(state.history), transition)
    }

    /// Adams–Bashforth weights, of the order that the history allows.
    private static func extrapolated(_ history: [[Float]]) -> [Float] {
        let e = Array(history.reversed())
        return switch e.count {
        case 1: e[0]
        case 2: e[0].indices.map { (3 * e[0][$0] - e[1][$0]) / 2 }
        case 3: e[0].indices.map { (23 * e[0][$0] - 16 * e[1][$0] + 5 * e[2][$0]) / 12 }
        default: e[0].indices.map { (1.0 / 24) * (55 * e[0][$0] - 59 * e[1][$0] + 37 * e[2][$0] - 9 * e[3][$0]) }
        }
    }

    /// Formula (9): latents carried along ε from one ᾱ to another.
    private func moved(_ sample: [Float], by prediction: [Float], _ transition: AlphaTransition) -> [Float] {
        let (from, to) = (transition.from, transition.to)
        let epsilon =
            predictsVelocity
            ? combine(from.squareRoot(), prediction, (1 - from).squareRoot(), sample)
            : prediction
        let scale = (to / from).squareRoot()
        let denominator = from * (1 - to).squareRoot() + (from * (1 - from) * to).squareRoot()
        return sample.indices.map { scale * sample[$0] - (to - from) * epsilon[$0] / denominator }
    }
}
