import Foundation
import Tensors

/// The files in a folder that hold the weights of one network.
struct WeightFiles {
    private(set) var files: [any TensorFile] = []
    /// What an index promises and its shards don't hold.
    private(set) var problems: [TensorProblem] = []
    /// The keys of tensors in shards that can't be read.
    private(set) var unreadable: [String] = []

    /// Names that transformers and diffusers write, as they prefer them: safetensors before pickles, and full precision
    /// before variants of 16 bits, which they take only where they are told to and we where there is nothing else.
    private static let names: [(file: String, index: String)] = ["", ".fp16", ".bf16"].flatMap { variant in
        [
            ("model", "safetensors"), ("diffusion_pytorch_model", "safetensors"),
            ("pytorch_model", "bin"), ("diffusion_pytorch_model", "bin"),
        ].map { stem, format in
            ("\(stem)\(variant).\(format)", "\(stem).\(format).index\(variant).json")
        }
    }

    /// - Throws: `CheckpointError` where there are no weights, or one file or index that can't be used.
    init(_ folder: URL) throws(CheckpointError) {
        for name in Self.names {
            if Self.exists(name.file, in: folder) {
                files = [try Self.open(folder.appending(path: name.file))]
                return
            }
            if Self.exists(name.index, in: folder) {
                try addShards(of: folder.appending(path: name.index))
                return
            }
        }
        let names = Self.names.map(\.file).joined(separator: ", ")
        var reason = "holds no weights (\(names), or shards of one of them with an index)"
        if let shard = Self.shard(in: folder) { reason += "; \(shard) is there, but no index that names all shards" }
        throw .unreadableFile(file: folder.path, reason: reason)
    }

    /// - Throws: `CheckpointError` where there is no such file, or it can't be used.
    init(_ folder: URL, file name: String, stateDict: String?) throws(CheckpointError) {
        let names = ["\(name).safetensors", "\(name).pt"]
        guard let name = names.first(where: { Self.exists($0, in: folder) }) else {
            throw .unreadableFile(file: folder.path, reason: "holds no \(names.joined(separator: " or "))")
        }
        files = [try Self.open(folder.appending(path: name), stateDict: stateDict.map { [$0] } ?? [])]
    }

    private static func exists(_ name: String, in folder: URL) -> Bool {
        FileManager.default.fileExists(atPath: folder.appending(path: name).path)
    }

    private static func open(_ url: URL, stateDict: [String] = []) throws(CheckpointError) -> any TensorFile {
        if url.pathExtension == "safetensors" { return try SafetensorsFile(url) }
        return try TorchFile(url, stateDict: stateDict)
    }

    /// What a training run has left that was stopped before it wrote its index.
    private static func shard(in folder: URL) -> String? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.contains("-of-") && ($0.hasSuffix(".safetensors") || $0.hasSuffix(".bin")) }.min()
    }

    /// `model.safetensors.index.json`: which file holds which tensor.
    private struct Index: Decodable {
        var weightMap: [String: String]
        enum CodingKeys: String, CodingKey { case weightMap = "weight_map" }
    }

    private mutating func addShards(of url: URL) throws(CheckpointError) {
        let index = try ConfigurationFile.decode(Index.self, at: url)
        for (name, entries) in Dictionary(grouping: index.weightMap, by: \.value).sorted(by: { $0.key < $1.key }) {
            guard !name.isEmpty, !name.hasPrefix("/"), !name.split(separator: "/").contains("..") else {
                throw .configuration(file: url.path, path: "weight_map", reason: "\"\(name)\" lies outside the folder")
            }
            let keys = entries.map(\.key).sorted()
            do {
                let file = try Self.open(url.deletingLastPathComponent().appending(path: name))
                let held = Set(file.tensors.map(\.name))
                problems += keys.filter { !held.contains($0) }.map { .misplaced(key: $0, file: name) }
                files.append(file)
            } catch {
                let reason = error.reason ?? error.description
                problems.append(.unreadableShard(file: name, tensors: keys.count, reason: reason))
                unreadable += keys
            }
        }
    }
}
