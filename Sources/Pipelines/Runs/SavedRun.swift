import Checkpoints
import Foundation

/// A run's state with the marks of what it belongs to.
struct SavedRun<State: Codable>: Codable {
    private var model: Fingerprint
    private var request: Fingerprint
    private var state: State

    /// - Returns: the state as bytes for `PipelineRun.archivedState()`
    static func archive(_ state: State, of request: RunRequest, model: Fingerprint) throws -> Data {
        let encoder = PropertyListEncoder()
        encoder.outputFormat = .binary
        return try encoder.encode(SavedRun(model: model, request: try fingerprint(request), state: state))
    }

    /// - Throws: `PipelineError.invalidState` where the bytes are no state, or one of another request or model.
    static func restore(_ data: Data, of request: RunRequest, model: Fingerprint) throws -> State {
        let saved: SavedRun
        do {
            saved = try PropertyListDecoder().decode(SavedRun.self, from: data)
        } catch {
            throw PipelineError.invalidState(reason: "it is damaged: \(error)")
        }
        guard saved.model == model else { throw PipelineError.invalidState(reason: "the model has changed") }
        guard try saved.request == fingerprint(request) else {
            throw PipelineError.invalidState(reason: "it belongs to another request")
        }
        return saved.state
    }

    private static func fingerprint(_ request: RunRequest) throws -> Fingerprint {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        var fingerprint = Fingerprint()
        fingerprint.combine(try encoder.encode(request))
        return fingerprint
    }
}
