import Glibc

/// A system call on a socket failed.
package struct SocketError: Error, Sendable, CustomStringConvertible {
    /// What was being done, with the address: `bind 127.0.0.1:8080`.
    package let operation: String
    /// The cause in words.
    package let reason: String

    init(_ operation: String, errno code: Int32) {
        self.init(operation, reason: String(cString: strerror(code)))
    }

    init(_ operation: String, reason: String) {
        self.operation = operation
        self.reason = reason
    }

    package var description: String { "\(operation): \(reason)" }
}
