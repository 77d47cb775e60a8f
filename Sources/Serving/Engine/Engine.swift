import Dispatch
package import Foundation
import Pipelines

/// Computes the steps of all runs, one after the other, on a queue of its own.
///
/// Every step is one work item of a serial queue, and so is every message to the engine. What is said during a step
/// (cancel, stop, a new run) is therefore heard before the next one, and nothing needs a lock. Swift's cooperative
/// threads are never blocked.
// Unchecked: `executions`, `schedule`, `isStepQueued` and `isStopped` are touched only on `queue`, which is serial.
package final class Engine: @unchecked Sendable {
    private let queue = DispatchQueue(label: "triptych.engine", qos: .userInitiated)
    private let now: @Sendable () -> Date
    private var schedule: StepSchedule
    private var executions: [JobID: Execution] = [:]
    private var isStepQueued = false
    private var isStopped = false

    /// - Parameter now: the clock that deadlines are held against.
    package init(limits: StepSchedule.Limits = .init(), now: @escaping @Sendable () -> Date = { Date() }) {
        self.schedule = StepSchedule(limits: limits)
        self.now = now
    }

    /// Lets a run take part. Nothing happens if the engine has been stopped.
    package func start(_ execution: Execution) {
        queue.async { [self] in
            guard !isStopped else { return }
            executions[execution.id] = execution
            schedule.add(execution.id, to: execution.laneOfNextStep)
            queueStep()
        }
    }

    /// Takes a run out after its current step. It reports no more events.
    package func cancel(_ id: JobID) {
        queue.async { [self] in remove(id) }
    }

    /// Lets `stop()` hand over the state of a run too.
    package func archive(_ id: JobID) {
        queue.async { [self] in executions[id]?.isArchived = true }
    }

    /// Ends all runs after the current step, without events.
    /// - Parameter completion: is given the states of those runs that archive theirs, once the step is over.
    package func stop(_ completion: @escaping @Sendable ([JobID: Data]) -> Void) {
        queue.async { [self] in
            isStopped = true
            var states: [JobID: Data] = [:]
            for execution in executions.values where execution.isArchived && execution.hasStarted {
                // A state that can't be written costs time only: the run starts again from its request.
                states[execution.id] = try? execution.run.archivedState()
            }
            executions = [:]
            completion(states)
        }
    }

    // MARK: On the queue

    private func queueStep() {
        guard !isStepQueued else { return }
        isStepQueued = true
        queue.async { [self] in step() }
    }

    private func step() {
        isStepQueued = false
        guard !isStopped else { return }
        removeOverdue()
        guard let id = schedule.next(), let execution = executions[id] else { return }
        // Runs of one model and shape would take their steps together from here: the schedule would hand over all
        // active runs that are compatible with this one, and the pipeline would advance them as one batch.
        advance(execution)
        queueStep()
    }

    private func advance(_ execution: Execution) {
        if !execution.hasStarted {
            execution.hasStarted = true
            execution.report(.started)
        }
        let stage = execution.run.progress.stage
        let clock = ContinuousClock()
        let start = clock.now
        do {
            let result = try execution.run.advance()
            let record = StepRecord(stage: stage, seconds: start.duration(to: clock.now).seconds)
            execution.report(.stepped(execution.run.progress, record, news: execution.run.news))
            guard let result else { return schedule.move(execution.id, to: execution.laneOfNextStep) }
            remove(execution.id)
            execution.report(.finished(result))
        } catch {
            remove(execution.id)
            execution.report(.failed(error))
        }
    }

    private func removeOverdue() {
        let now = now()
        for execution in executions.values {
            guard let deadline = execution.deadline, deadline <= now else { continue }
            remove(execution.id)
            execution.report(.overdue)
        }
    }

    private func remove(_ id: JobID) {
        executions[id] = nil
        schedule.remove(id)
    }
}
