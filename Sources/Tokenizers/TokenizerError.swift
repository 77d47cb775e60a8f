/// What can be wrong with the files of a tokenizer. Every case names the file, and the place in it as a JSON path.
package enum TokenizerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file is missing, unreadable or larger than any tokenizer.
    case unreadable(file: String, reason: String)
    /// The file is not JSON; `offset` counts bytes.
    case notJSON(file: String, offset: Int, reason: String)
    /// A value is missing, of the wrong type, out of range or contradicts another one.
    case invalid(file: String, path: String, reason: String)
    /// A well-formed component that this implementation does not have.
    case unsupported(file: String, path: String, found: String)
    /// A chat template whose text is none of the known ones.
    case unknownChatTemplate(file: String, opening: String, fingerprint: String)
    /// A message that a chat template cannot express.
    case inexpressibleMessage(index: Int, reason: String)

    package var description: String {
        switch self {
        case .unreadable(let file, let reason):
            "\(file): \(reason)"
        case .notJSON(let file, let offset, let reason):
            "\(file): not JSON at byte \(offset): \(reason)"
        case .invalid(let file, let path, let reason):
            "\(file): \(path): \(reason)"
        case .unsupported(let file, let path, let found):
            "\(file): \(path): unsupported: \(found)"
        case .unknownChatTemplate(let file, let opening, let fingerprint):
            "\(file): unknown chat template (fingerprint \(fingerprint)), beginning \"\(opening)\""
        case .inexpressibleMessage(let index, let reason):
            "messages[\(index)]: \(reason)"
        }
    }
}
