package import Foundation
package import Pipelines

/// One run in the engine.
// Unchecked: `run`, `isArchived` and `hasStarted` change only on the engine's queue once the execution has been started.
package final class Execution: @unchecked Sendable {
    let id: JobID
    private let lane: StepSchedule.Lane
    let deadline: Date?
    /// Whether `Engine.stop()` hands over the run's state.
    var isArchived: Bool
    let report: @Sendable (EngineEvent) -> Void
    var run: any PipelineRun
    var hasStarted = false

    /// - Parameter report: hears of everything that happens to the run, on the engine's queue: it must not block.
    package init(
        id: JobID,
        run: any PipelineRun,
        lane: StepSchedule.Lane,
        deadline: Date?,
        isArchived: Bool,
        report: @escaping @Sendable (EngineEvent) -> Void
    ) {
        self.id = id
        self.run = run
        self.lane = lane
        self.deadline = deadline
        self.isArchived = isArchived
        self.report = report
    }

    /// Where the next step waits for its turn.
    var laneOfNextStep: StepSchedule.Lane { run.progress.stage.isRendering ? .long : lane }
}

/// What happens to a run in the engine. The last three are the last that is heard of it.
package enum EngineEvent: Sendable {
    /// The first step is about to be computed.
    case started
    /// - Parameter news: what the step added to a reply
    case stepped(RunProgress, StepRecord, news: [ReplyNews])
    case finished(RunResult)
    /// A step threw; other runs are not affected.
    case failed(any Error)
    /// The deadline passed before the next step.
    case overdue
}

/// One finished step.
package struct StepRecord: Sendable {
    package let stage: RunProgress.Stage
    package let seconds: Double

    package init(stage: RunProgress.Stage, seconds: Double) {
        self.stage = stage
        self.seconds = seconds
    }
}
