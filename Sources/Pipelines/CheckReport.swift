import Checkpoints
import Foundation
import Tensors

/// What a look at a checkpoint's headers found.
package struct CheckReport: Codable, Sendable, Equatable {
    /// One line a problem, naming file and tensor or JSON path; empty means the checkpoint loads.
    package var problems: [String]
    /// What is there: one line a part, such as "text model: 12 layers, 640 wide, bfloat16".
    package var summary: [String]
    package var parameterCount: Int
    package var weightBytes: Int

    package init(
        problems: [String] = [],
        summary: [String] = [],
        parameterCount: Int = 0,
        weightBytes: Int = 0
    ) {
        self.problems = problems
        self.summary = summary
        self.parameterCount = parameterCount
        self.weightBytes = weightBytes
    }
}

extension CheckReport {
    /// Notes what `read` throws, so that what doesn't need its value can be looked at all the same.
    mutating func note<Value>(_ read: () throws -> Value) -> Value? {
        do {
            return try read()
        } catch let error as CheckpointError {
            problems += error.lines
        } catch {
            problems.append("\(error)")
        }
        return nil
    }

    /// Notes what keeps a network from being built from these weights.
    mutating func note<Network>(
        _ weights: Checkpoint,
        _ keys: KeyTable = KeyTable(),
        _ build: (ParameterReader) -> Network
    ) {
        problems += weights.problems(keys: keys, build).map { "\(weights.folder.path): \($0)" }
    }

    /// Counts a part's weights and says what the part is.
    mutating func add(_ weights: Checkpoint, _ part: String) {
        summary.append("\(part), \(weights.dtypes.map(\.rawValue).joined(separator: " and "))")
        parameterCount += weights.parameterCount
        weightBytes += weights.byteCount
    }
}
