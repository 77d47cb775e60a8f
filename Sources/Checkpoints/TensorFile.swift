package import Foundation
package import Tensors

/// A file of named tensors, whatever its format.
package protocol TensorFile: Sendable {
    var url: URL { get }
    /// In the order of the file; names are unique.
    var tensors: [StoredTensor] { get }
    /// The size of the file.
    var byteCount: Int { get }
    /// Of the names, shapes and types and of the file's size: tells one checkpoint from another without reading weights.
    var fingerprint: Fingerprint { get }

    /// Gives the memory under the file's pages back to the system. What tensors are views of comes in again when it is
    /// touched; what was read only to be packed does not.
    func releasePages()
}

extension TensorFile {
    package var name: String { url.lastPathComponent }
}
