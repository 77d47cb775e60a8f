/// Why bytes are not the JSON that was asked for, and where.
package struct JSONError: Error, Equatable, CustomStringConvertible {
    package enum Fault: Sendable, Equatable {
        /// The bytes break the grammar.
        case syntax(String)
        /// An object holds a key twice; the path is the object's.
        case duplicateKey(String)
        case tooDeep(limit: Int)
        case tooManyValues(limit: Int)
        case tooManyMarks(limit: Int)
        /// Well-formed, but nothing that the reader's caller can use; in the caller's words.
        case refused(String)
    }

    package let fault: Fault
    /// Index of the byte at fault.
    package let offset: Int
    /// The value that holds the byte at fault.
    package private(set) var path = JSONPath()

    init(_ fault: Fault, offset: Int) {
        self.fault = fault
        self.offset = offset
    }

    /// The same error, seen from the value around.
    func inside(_ step: JSONPath.Step) -> JSONError {
        var error = self
        error.path.steps.insert(step, at: 0)
        return error
    }

    package var reason: String {
        switch fault {
        case .syntax(let reason), .refused(let reason): reason
        case .duplicateKey(let key): "key \"\(key)\" appears twice"
        case .tooDeep(let limit): "nested more than \(limit) deep"
        case .tooManyValues(let limit): "more than \(limit) values"
        case .tooManyMarks(let limit): "more than \(limit) combining marks in a row"
        }
    }

    package var description: String {
        "\(reason) at byte \(offset)\(path.steps.isEmpty ? "" : ", in \(path)")"
    }
}

/// The way from the document to one of its values, such as `model.vocab["Ġa"]` or `merges[3]`; `$` is the document.
package struct JSONPath: Sendable, Equatable, CustomStringConvertible {
    package enum Step: Sendable, Equatable {
        case key(JSONString)
        case index(Int)
    }

    package internal(set) var steps: [Step] = []

    package var description: String {
        steps.isEmpty
            ? "$"
            : steps.reduce("") { path, step in
                switch step {
                case .index(let index): return "\(path.isEmpty ? "$" : path)[\(index)]"
                case .key(let key):
                    let isName = !key.utf8.isEmpty && key.utf8.allSatisfy(Self.isNameByte)
                    if isName { return path.isEmpty ? key.text : "\(path).\(key)" }
                    // Keys come from outside: a message shows the beginning of a long one.
                    return "\(path.isEmpty ? "$" : path)[\"\(String(decoding: key.utf8.prefix(80), as: UTF8.self))\"]"
                }
            }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
