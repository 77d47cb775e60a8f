import Pipelines

/// Runs one request to its end in this process.
struct LocalRun {
    /// Seconds spent in each stage, and in all.
    private(set) var timings: [String: Double] = [:]

    /// - Throws: `CommandFailure` with the field or the reason.
    mutating func result(of request: RunRequest, from pipeline: any Pipeline) throws -> RunResult {
        let clock = ContinuousClock()
        let start = clock.now
        var reporter = ProgressReporter()
        defer { reporter.finish() }
        do {
            var run = try pipeline.run(for: request)
            while true {
                let progress = run.progress
                reporter.report(progress)
                let stepStart = clock.now
                let result = try run.advance()
                timings[progress.stage.rawValue, default: 0] += stepStart.duration(to: clock.now).seconds
                if let result {
                    timings["total"] = start.duration(to: clock.now).seconds
                    return result
                }
            }
        } catch {
            throw CommandFailure("\(error)")
        }
    }
}
