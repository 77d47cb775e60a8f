/// Why a checkpoint can't be used.
package enum CheckpointError: Error, Equatable, CustomStringConvertible {
    /// A file is missing or can't be opened, mapped or read.
    case unreadableFile(file: String, reason: String)
    /// A file's bytes break the rules of its format.
    case malformedFile(file: String, reason: String)
    /// A configuration holds a value that can't be used; `path` is its JSON path, such as `text_config.rope_scaling.factor`.
    case configuration(file: String, path: String, reason: String)
    /// The tensors in the files are not those that the network has: everything that is wrong, at once.
    case tensors(folder: String, problems: [TensorProblem])

    /// What is wrong with a file, without its name; nil for problems with tensors.
    var reason: String? {
        switch self {
        case .unreadableFile(_, let reason), .malformedFile(_, let reason), .configuration(_, _, let reason): reason
        case .tensors: nil
        }
    }

    /// One line a problem.
    package var lines: [String] {
        switch self {
        case .unreadableFile(let file, let reason), .malformedFile(let file, let reason): ["\(file): \(reason)"]
        case .configuration(let file, let path, let reason): ["\(file): \(path.isEmpty ? "" : "\(path): ")\(reason)"]
        case .tensors(let folder, let problems): problems.map { "\(folder): \($0)" }
        }
    }

    package var description: String {
        guard case .tensors(let folder, let problems) = self, problems.count > 1 else {
            return lines.joined(separator: "\n")
        }
        // A log line can't hold thousands of keys; `triptych check` prints all of them.
        let shown = problems.prefix(8).map { "\n  \($0)" }.joined()
        let rest = problems.count > 8 ? "\n  … and \(problems.count - 8) more" : ""
        return "\(folder): \(problems.count) reasons why the weights don't fit the model:\(shown)\(rest)"
    }
}

/// What is wrong with a tensor of a checkpoint, or with a file of many.
package enum TensorProblem: Equatable, Sendable, CustomStringConvertible {
    case missing(key: String, shape: [Int])
    case unexpected(key: String, file: String)
    /// The same tensor stands in several files, or two stored keys mean the same parameter.
    case duplicate(key: String, file: String, otherFile: String)
    case misshaped(key: String, file: String, found: [Int], expected: [Int])
    /// Stored in a type that holds no weights, such as integers.
    case mistyped(key: String, file: String, found: String)
    /// The index promises a tensor that its file doesn't hold.
    case misplaced(key: String, file: String)
    /// The index promises so many tensors in a file that is missing, cut off or otherwise unreadable.
    case unreadableShard(file: String, tensors: Int, reason: String)

    /// The tensor's key, or the file's name.
    package var key: String {
        switch self {
        case .missing(let key, _), .unexpected(let key, _), .duplicate(let key, _, _), .misshaped(let key, _, _, _),
            .mistyped(let key, _, _), .misplaced(let key, _), .unreadableShard(let key, _, _):
            key
        }
    }

    package var description: String {
        switch self {
        case .missing(let key, let shape): "missing tensor \(key) \(shape)"
        case .unexpected(let key, let file): "unexpected tensor \(key) in \(file)"
        case .duplicate(let key, let file, let other): "tensor \(key) is in \(file) and again in \(other)"
        case .misshaped(let key, let file, let found, let expected):
            "tensor \(key) in \(file) is \(found), expected \(expected)"
        case .mistyped(let key, let file, let found): "tensor \(key) in \(file) is \(found), expected a float type"
        case .misplaced(let key, let file): "the index says that tensor \(key) is in \(file), but it is not"
        case .unreadableShard(let file, let tensors, let reason): "\(file), with \(tensors) tensors: \(reason)"
        }
    }
}
