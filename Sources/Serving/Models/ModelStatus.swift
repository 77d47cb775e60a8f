package import Pipelines

/// What is known of a configured model at one moment.
package struct ModelStatus: Sendable, Equatable {
    package enum State: String, Sendable {
        case unloaded, loading, loaded, failed
    }

    package let name: String
    package let family: String?
    package let state: State
    /// Why the model can't be used; only with `failed`.
    package let reason: String?
    /// Known once the model was loaded for the first time.
    package let description: ModelDescription?
    /// Bytes of weights as stored, where a look at the files has told.
    package let weightBytes: Int?
    /// Mean seconds of a step by stage, as measured since the start of the process.
    package let secondsPerStep: [RunProgress.Stage: Double]
}

/// Why no model can be handed out.
package enum ModelError: Error, Equatable, CustomStringConvertible {
    case unknown(name: String)
    case unavailable(name: String, reason: String)
    /// The named model has other tasks.
    case wrongTask(name: String, ModelDescription.Task)
    /// No configured model has the task; `reasons` says what is wrong with those that failed.
    case noneFor(ModelDescription.Task, reasons: [String])

    package var description: String {
        switch self {
        case .unknown(let name): "the model \(name) does not exist"
        case .unavailable(let name, let reason): "the model \(name) can't be used: \(reason)"
        case .wrongTask(let name, let task): "the model \(name) can't \(task.phrase)"
        case .noneFor(let task, let reasons):
            (["no configured model can \(task.phrase)"] + reasons).joined(separator: "; ")
        }
    }
}

extension ModelDescription.Task {
    /// What follows "can't".
    var phrase: String {
        switch self {
        case .generate: "draw pictures from text"
        case .edit: "draw pictures from pictures"
        case .answer: "answer in text"
        }
    }
}
