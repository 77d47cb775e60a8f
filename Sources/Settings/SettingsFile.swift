import Configuration
import Foundation
import Yams

/// A configuration file read strictly: known keys only, values still as text, each with its line.
struct SettingsFile {
    let url: URL
    /// Values by dotted key, for swift-configuration.
    private(set) var values: [AbsoluteConfigKey: ConfigValue] = [:]
    /// Line of each key in the file.
    private(set) var lines: [String: Int] = [:]
    /// The items of `models:`, read by `ModelEntryDecoder`.
    private(set) var models: [Node] = []

    /// A configuration is written by hand; anything larger is the wrong file.
    private static let maximumBytes = 1 << 20

    /// - Throws: `SettingsError` naming the file, the line and the key.
    init(contentsOf url: URL) throws {
        let text: String
        do {
            let data = try Data(contentsOf: url, options: .mappedIfSafe)
            guard data.count <= Self.maximumBytes else {
                throw SettingsError(source: url.path, key: nil, reason: "the file is larger than 1 MiB")
            }
            guard let decoded = String(data: data, encoding: .utf8) else {
                throw SettingsError(source: url.path, key: nil, reason: "the file is not UTF-8 text")
            }
            text = decoded
        } catch let error as SettingsError {
            throw error
        } catch {
            throw SettingsError(source: url.path, key: nil, reason: "can't be read: \(error.localizedDescription)")
        }
        try self.init(text: text, url: url)
    }

    init(text: String, url: URL) throws {
        self.url = url
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch let error as YamlError {
            throw SettingsError(source: url.path, key: nil, reason: "is not valid YAML: \(error)")
        }
        guard let root, !root.isNull else { return }
        guard let mapping = root.mapping else {
            throw error(at: root, key: nil, "must be a mapping of keys such as server, jobs, models")
        }
        try read(mapping, prefix: "")
    }

    private mutating func read(_ mapping: Node.Mapping, prefix: String) throws {
        for (keyNode, value) in mapping {
            guard let name = keyNode.scalar?.string else {
                throw error(at: keyNode, key: prefix.isEmpty ? nil : prefix, "keys must be plain words")
            }
            let key = prefix.isEmpty ? name : "\(prefix).\(name)"
            lines[key] = keyNode.mark?.line
            if key == "models" {
                guard let items = value.sequence ?? (value.isNull ? [] : nil) else {
                    throw error(at: value, key: key, "must be a list")
                }
                models = Array(items)
            } else if SettingsSchema.sections.contains(key) {
                if value.isNull { continue }
                guard let section = value.mapping else { throw error(at: value, key: key, "must be a mapping") }
                try read(section, prefix: key)
            } else if let kind = SettingsSchema.keys[key] {
                try read(value, of: kind, key: key)
            } else {
                let known = Array(SettingsSchema.keys.keys) + Array(SettingsSchema.sections) + ["models"]
                let hint = SettingsSchema.suggestion(for: key, among: known).map { "; did you mean \($0)?" } ?? ""
                throw error(at: keyNode, key: key, "unknown key\(hint)")
            }
        }
    }

    private mutating func read(_ value: Node, of kind: SettingsSchema.Kind, key: String) throws {
        // A null keeps the default, as if the key were absent.
        if value.isNull { return }
        let path = AbsoluteConfigKey(key.split(separator: ".").map(String.init))
        switch kind {
        case .scalar:
            guard let scalar = value.scalar else { throw error(at: value, key: key, "must be a single value") }
            values[path] = ConfigValue(.string(scalar.string), isSecret: false)
        case .list:
            guard let items = value.sequence else { throw error(at: value, key: key, "must be a list") }
            // Lists of mappings (server.keys) only matter for being there at all: see `SettingsReader`.
            values[path] = ConfigValue(.stringArray(items.map { $0.scalar?.string ?? "{…}" }), isSecret: false)
        }
    }

    private func error(at node: Node, key: String?, _ reason: String) -> SettingsError {
        SettingsError(source: url.path + (node.mark.map { ":\($0.line)" } ?? ""), key: key, reason: reason)
    }
}

extension Node {
    /// YAML's null: `null`, `~` or nothing at all.
    var isNull: Bool { tag == Tag(.null) }
}
