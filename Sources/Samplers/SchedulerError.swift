/// What can be wrong with a `scheduler_config.json`, with the steps asked for, or with a saved run.
package enum SchedulerError: Error, Sendable, Equatable {
    /// The file is no JSON object (`NaN`, `Infinity` and `-Infinity` are accepted as Python writes them).
    case malformedFile(reason: String)
    /// The value at a JSON path such as `$.beta_schedule` is missing, of the wrong type, out of range or not supported.
    case invalidOption(path: String, reason: String)
    /// This scheduler cannot be run with so many steps.
    case invalidStepCount(steps: Int, reason: String)
    /// A saved state does not belong to the schedule it is continued with, or latents have the wrong size.
    case mismatchedState(reason: String)
}

extension SchedulerError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformedFile(let reason): "scheduler_config.json: \(reason)"
        case .invalidOption(let path, let reason): "scheduler_config.json: \(path): \(reason)"
        case .invalidStepCount(let steps, let reason): "\(steps) denoising steps: \(reason)"
        case .mismatchedState(let reason): "denoising state: \(reason)"
        }
    }
}
