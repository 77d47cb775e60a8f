package import Foundation
package import Tensors

/// One memory-mapped file of `torch.save` (`.pt`, `.bin`): a zip archive of a pickle, which says what the tensors are, and
/// of storages, which hold their elements. Nothing that the pickle names is ever executed; see `PickleMachine`.
package struct TorchFile: TensorFile {
    package let url: URL
    /// Tensors of every dtype; whether one is fit for a network is asked when a network takes it.
    package let tensors: [StoredTensor]
    package let byteCount: Int
    /// Of the pickle's bytes and the file's size.
    package let fingerprint: Fingerprint
    private let file: MappedFile

    /// - Parameter stateDict: where the file holds more than one state dict, the keys that lead to the one that is meant,
    ///   such as `["model_state_dict"]`. Tensors are named by their path from there: keys and indices, joined by dots.
    /// - Throws: `CheckpointError.unreadableFile` or `.malformedFile`, naming what in the pickle is not read here.
    package init(_ url: URL, stateDict path: [String] = []) throws(CheckpointError) {
        let file = try MappedFile(url)
        do throws(FormatError) {
            var archive = try TorchArchive(file)
            let pickle = try archive.pickle()
            let (root, heap) = try PickleMachine.run(pickle)
            var tensors: [StoredTensor] = []
            for (name, tensor) in try heap.tensors(below: heap.stateDict(at: path, in: root)) {
                tensors.append(try archive.tensor(tensor, name: name))
            }
            self.tensors = tensors
            var fingerprint = Fingerprint()
            fingerprint.combine(pickle)
            fingerprint.combine(file.bytes.count)
            self.fingerprint = fingerprint
        } catch {
            throw .malformedFile(file: url.path, reason: error.reason)
        }
        self.url = url
        self.file = file
        byteCount = file.bytes.count
    }

    package func releasePages() { file.releasePages() }
}
