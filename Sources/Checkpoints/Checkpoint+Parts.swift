import Foundation
package import Tensors

extension Checkpoint {
    /// Whether there is any tensor, in a shard that can't be read included.
    package var isEmpty: Bool { unreadable.isEmpty && files.allSatisfy(\.tensors.isEmpty) }

    /// One of several networks that were saved together: the tensors below `root`, such as `model.transformer`. They keep
    /// their names, so that a problem says where it is; what loads the network reads from `root` on.
    package func part(_ root: String) -> Checkpoint {
        var part = selecting { $0.hasPrefix(root + ".") ? $0 : nil }
        part.root = root
        return part
    }

    /// Some of the tensors, under names of their own.
    /// - Parameter rename: the new name of a tensor; nil leaves it out
    package func selecting(_ rename: (String) -> String?) -> Checkpoint {
        Checkpoint(
            folder,
            files: files.map { FilePart($0, rename) }.filter { !$0.tensors.isEmpty },
            unmet: unmet,
            unreadable: unreadable.compactMap(rename),
            root: root
        )
    }

    /// These tensors and others of the same network, which none of these has the name of.
    package func joined(with other: Checkpoint) -> Checkpoint {
        Checkpoint(
            folder,
            files: files + other.files,
            unmet: unmet + other.unmet,
            unreadable: unreadable + other.unreadable,
            root: root
        )
    }

    /// The only tensor whose name ends like this; nil where there is none, or more than one.
    package func tensor(endingWith suffix: String) -> StoredTensor? {
        let found = files.flatMap(\.tensors).filter { $0.name.hasSuffix(suffix) }
        return found.count == 1 ? found[0] : nil
    }
}

/// Some of the tensors of a file, under names of their own.
private struct FilePart: TensorFile {
    let url: URL
    let tensors: [StoredTensor]
    private let file: any TensorFile

    init(_ file: any TensorFile, _ rename: (String) -> String?) {
        url = file.url
        self.file = file
        tensors = file.tensors.compactMap { tensor in rename(tensor.name).map(tensor.named) }
    }

    var byteCount: Int { tensors.reduce(0) { $0 + $1.bytes.count } }

    var fingerprint: Fingerprint {
        var fingerprint = Fingerprint()
        for tensor in tensors {
            fingerprint.combine(tensor.name.utf8)
            fingerprint.combine(tensor.dtype.rawValue.utf8)
            for length in tensor.shape { fingerprint.combine(length) }
        }
        return fingerprint
    }

    func releasePages() { file.releasePages() }
}
