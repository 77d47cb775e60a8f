import Checkpoints
import Foundation
import Samplers

extension SchedulerConfiguration {
    /// The scheduler of a folder's `scheduler/scheduler_config.json`.
    /// - Parameter kind: nil takes the one that the file names
    /// - Throws: `CheckpointError` or `SchedulerError`.
    static func scheduler(ofModelAt folder: URL, _ kind: SchedulerKind? = nil) throws -> any Scheduler {
        let file = folder.appending(path: "scheduler").appending(path: "scheduler_config.json")
        let configuration = try SchedulerConfiguration(json: ConfigurationFile.data(at: file))
        return try kind.map { try configuration.makeScheduler($0) } ?? configuration.makeScheduler()
    }
}
