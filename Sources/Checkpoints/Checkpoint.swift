package import Foundation
package import Tensors

/// The weights of one network or model: every file that belongs to it, mapped and checked.
package struct Checkpoint: Sendable {
    package let folder: URL
    package let files: [any TensorFile]
    /// What the index promises and the files don't hold.
    let unmet: [TensorProblem]
    /// The keys of tensors in shards that can't be read.
    let unreadable: [String]
    /// Where in the keys the network lies that these weights are of, such as `model.transformer`; "" where the checkpoint
    /// holds nothing else.
    var root: String

    package var byteCount: Int { files.reduce(0) { $0 + $1.byteCount } }
    package var parameterCount: Int {
        files.reduce(0) { sum, file in sum + file.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } }
    }

    /// The types in which tensors are stored, the most frequent first.
    package var dtypes: [DType] {
        Dictionary(grouping: files.flatMap(\.tensors), by: \.dtype)
            .sorted { ($0.value.count, $1.key.rawValue) > ($1.value.count, $0.key.rawValue) }
            .map(\.key)
    }

    /// Tells this checkpoint from others by names, shapes and sizes; weights of one shape have one fingerprint.
    package var fingerprint: Fingerprint {
        var fingerprint = Fingerprint()
        for file in files { fingerprint.combine(file.fingerprint) }
        return fingerprint
    }

    /// Finds the weights of a folder under the names that transformers and diffusers give them: one file, or the shards
    /// that an index names.
    /// - Throws: `CheckpointError` naming the file that is missing, unreadable or malformed. What is wrong with shards comes
    ///   with the other problems, all at once.
    package init(_ folder: URL) throws(CheckpointError) {
        self.init(folder, try WeightFiles(folder))
    }

    /// Weights that training code wrote under a name of its own: `name.safetensors` or else `name.pt`.
    /// - Parameter stateDict: the key that leads to them in the `.pt` file, such as `model_state_dict`; nil where they are
    ///   all that is in it
    /// - Throws: `CheckpointError` naming the file that is missing, unreadable or malformed.
    package init(_ folder: URL, file name: String, stateDict: String? = nil) throws(CheckpointError) {
        self.init(folder, try WeightFiles(folder, file: name, stateDict: stateDict))
    }

    private init(_ folder: URL, _ found: WeightFiles) {
        self.init(folder, files: found.files, unmet: found.problems, unreadable: found.unreadable, root: "")
    }

    init(_ folder: URL, files: [any TensorFile], unmet: [TensorProblem], unreadable: [String], root: String) {
        self.folder = folder
        self.files = files
        self.unmet = unmet
        self.unreadable = unreadable
        self.root = root
    }

    /// Builds a network from the weights, after all its parameters were found to be there, once each and in shape.
    ///
    /// `build` describes the network by reading every parameter; it runs twice: first on placeholders, to account for
    /// the keys before anything is copied or packed, then on the weights.
    /// - Throws: `CheckpointError.tensors` with everything that is wrong.
    package func load<Network>(
        keys table: KeyTable = KeyTable(),
        _ build: (ParameterReader) -> Network
    ) throws(CheckpointError) -> Network {
        let problems = problems(keys: table, build)
        guard problems.isEmpty else { throw .tensors(folder: folder.path, problems: problems) }
        // Convolutions, for one, are packed: the pages that they were read from would stay as long as the mapping.
        defer { files.forEach { $0.releasePages() } }
        return build(ParameterReader(ParameterAccount(parameters(table).stored, isAccounting: false), path: root))
    }

    /// Everything that keeps `build` from being loaded; reads headers only.
    package func problems<Network>(
        keys table: KeyTable = KeyTable(),
        _ build: (ParameterReader) -> Network
    ) -> [TensorProblem] {
        let (stored, duplicates) = parameters(table)
        let source = ParameterAccount(stored, isAccounting: true)
        _ = build(ParameterReader(source, path: root))
        // A shard that can't be read is one problem, not one for each of its tensors.
        let unreadable = Set(unreadable.map { parameter(for: $0, table) })
        let found = source.problems().filter {
            if case .missing(let key, _) = $0 { !unreadable.contains(key) } else { true }
        }
        return unmet + duplicates + found
    }

    private func parameters(_ table: KeyTable) -> (stored: [String: StoredParameter], duplicates: [TensorProblem]) {
        var stored: [String: StoredParameter] = [:]
        var duplicates: [TensorProblem] = []
        for file in files {
            for tensor in file.tensors where !table.ignores(split(tensor.name).own) {
                let key = parameter(for: tensor.name, table)
                if let other = stored[key] {
                    duplicates.append(.duplicate(key: key, file: other.file, otherFile: file.name))
                } else {
                    stored[key] = StoredParameter(tensor: tensor, file: file.name)
                }
            }
        }
        return (stored, duplicates)
    }

    /// The part of a key that leads to the network, and the network's own.
    private func split(_ key: String) -> (root: String, own: String) {
        let count = root.isEmpty ? 0 : root.count + 1
        return (String(key.prefix(count)), String(key.dropFirst(count)))
    }

    /// Tables speak of a network's own keys.
    private func parameter(for key: String, _ table: KeyTable) -> String {
        let (root, own) = split(key)
        return root + table.parameter(for: own)
    }
}
