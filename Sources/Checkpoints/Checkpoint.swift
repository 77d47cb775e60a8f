package import Foundation
package import Tensors

/// The weights of one network or model: every safetensors file that belongs to it, mapped and checked.
package struct Checkpoint: Sendable {
    package let folder: URL
    package let files: [SafetensorsFile]
    /// What the index promises and the files don't hold.
    private let misplaced: [TensorProblem]

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
        for file in files { fingerprint.combine(Int(truncatingIfNeeded: file.fingerprint.value)) }
        return fingerprint
    }

    /// Names under which transformers and diffusers write weights, in their order of preference.
    private static let names = [
        "model.safetensors", "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors",
    ]

    /// Finds the weights of a folder: one file, or the shards that an index names.
    /// - Throws: `CheckpointError` naming the file that is missing, unreadable or malformed.
    package init(_ folder: URL) throws(CheckpointError) {
        self.folder = folder
        let manager = FileManager.default
        for name in Self.names {
            let file = folder.appending(path: name)
            if manager.fileExists(atPath: file.path) {
                files = [try SafetensorsFile(file)]
                misplaced = []
                return
            }
            let index = folder.appending(path: "\(name).index.json")
            if manager.fileExists(atPath: index.path) {
                (files, misplaced) = try Self.shards(index)
                return
            }
        }
        throw .unreadableFile(
            file: folder.path,
            reason: "holds no weights (\(Self.names.joined(separator: ", ")), or one of them with .index.json)"
        )
    }

    /// `model.safetensors.index.json`: which file holds which tensor.
    private struct Index: Decodable {
        var weightMap: [String: String]
        enum CodingKeys: String, CodingKey { case weightMap = "weight_map" }
    }

    private static func shards(_ url: URL) throws(CheckpointError) -> ([SafetensorsFile], [TensorProblem]) {
        let index = try ConfigurationFile.decode(Index.self, at: url)
        var files: [SafetensorsFile] = []
        var problems: [TensorProblem] = []
        for (name, entries) in Dictionary(grouping: index.weightMap, by: \.value).sorted(by: { $0.key < $1.key }) {
            guard !name.isEmpty, !name.hasPrefix("/"), !name.split(separator: "/").contains("..") else {
                throw .configuration(file: url.path, path: "weight_map", reason: "\"\(name)\" lies outside the folder")
            }
            let file = try SafetensorsFile(url.deletingLastPathComponent().appending(path: name))
            let held = Set(file.tensors.map(\.name))
            problems += entries.map(\.key).filter { !held.contains($0) }.sorted().map {
                .misplaced(key: $0, file: name)
            }
            files.append(file)
        }
        return (files, problems)
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
        return build(ParameterReader(ParameterAccount(parameters(table).stored, isAccounting: false)))
    }

    /// Everything that keeps `build` from being loaded; reads headers only.
    package func problems<Network>(
        keys table: KeyTable = KeyTable(),
        _ build: (ParameterReader) -> Network
    ) -> [TensorProblem] {
        let (stored, duplicates) = parameters(table)
        let source = ParameterAccount(stored, isAccounting: true)
        _ = build(ParameterReader(source))
        return misplaced + duplicates + source.problems()
    }

    private func parameters(_ table: KeyTable) -> (stored: [String: StoredParameter], duplicates: [TensorProblem]) {
        var stored: [String: StoredParameter] = [:]
        var duplicates: [TensorProblem] = []
        for file in files {
            let name = file.url.lastPathComponent
            for tensor in file.tensors where !table.ignores(tensor.name) {
                let key = table.parameter(for: tensor.name)
                if let other = stored[key] {
                    duplicates.append(.duplicate(key: key, file: other.file, otherFile: name))
                } else {
                    stored[key] = StoredParameter(tensor: tensor, file: name)
                }
            }
        }
        return (stored, duplicates)
    }
}

/// How the keys of a checkpoint become the names that a network uses: variants are renamed here, never in a forward.
package struct KeyTable: Sendable {
    /// Fragments of keys and what stands for them here, applied in order.
    package var renamed: [(from: String, to: String)]
    /// Beginnings and endings of keys that hold nothing a network needs, such as buffers that old versions saved.
    package var ignoredPrefixes: [String]
    package var ignoredSuffixes: [String]

    package init(
        renamed: [(from: String, to: String)] = [],
        ignoredPrefixes: [String] = [],
        ignoredSuffixes: [String] = []
    ) {
        self.renamed = renamed
        self.ignoredPrefixes = ignoredPrefixes
        self.ignoredSuffixes = ignoredSuffixes
    }

    func ignores(_ key: String) -> Bool {
        ignoredPrefixes.contains { key.hasPrefix($0) } || ignoredSuffixes.contains { key.hasSuffix($0) }
    }

    func parameter(for key: String) -> String {
        renamed.reduce(key) { $0.replacing($1.from, with: $1.to) }
    }
}
