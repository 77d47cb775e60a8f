/// - Throws: `SchedulerError.invalidStepCount` unless `steps` is in 1…`limit` and within what any schedule is made for.
func checkStepCount(_ steps: Int, atLeast least: Int = 1, atMost limit: Int = maximumStepCount) throws(SchedulerError) {
    let most = min(limit, maximumStepCount)
    guard steps >= least, steps <= most else {
        throw .invalidStepCount(steps: steps, reason: "this scheduler takes \(least) to \(most)")
    }
}

extension NoiseSchedule {
    /// - Throws: `SchedulerError.invalidStepCount` if a timestep is none of training's, as with a `steps_offset` that
    ///   pushes the first one beyond the last of training.
    func check(_ timesteps: [Int], steps: Int) throws(SchedulerError) {
        for timestep in timesteps where !alphasCumprod.indices.contains(timestep) {
            throw .invalidStepCount(
                steps: steps,
                reason: "timestep \(timestep) is outside the \(timestepCount) of training"
            )
        }
    }
}
