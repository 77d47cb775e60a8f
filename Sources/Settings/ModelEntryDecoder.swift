import Foundation
import Pipelines
import Yams

/// Reads one item of `models:`. What can't be used becomes `ConfiguredModel.invalid` with every reason in one line.
struct ModelEntryDecoder {
    let file: URL
    let modelsRoot: URL?

    private static let keys: Set<String> = [
        "name", "family", "path", "vision_tower", "visualizer", "diffusion", "mllm", "quantization", "prompt_template",
        "defaults",
    ]
    private static let defaultKeys: Set<String> = ["num_inference_steps", "guidance_scale", "image_guidance_scale"]
    private static let quantizations = ["none", "int8", "int4"]

    func decode(_ node: Node, index: Int, taken names: Set<String>) -> ConfiguredModel {
        var problems: [String] = []
        guard let mapping = node.mapping else {
            return .invalid(name: "models[\(index)]", family: nil, reason: place(node) + "must be a mapping")
        }
        let fields = Self.fields(of: mapping)
        for key in fields.keys.sorted() where !Self.keys.contains(key) {
            let hint = SettingsSchema.suggestion(for: key, among: Self.keys).map { "; did you mean \($0)?" } ?? ""
            problems.append("\(key): unknown key\(hint)")
        }

        func text(_ key: String) -> String? {
            guard let value = fields[key], !value.isNull else { return nil }
            guard let scalar = value.scalar?.string else {
                problems.append("\(key): must be a single value")
                return nil
            }
            return scalar
        }
        func folder(_ key: String) -> URL? {
            text(key).map { value in
                // A hub name such as Qwen/Qwen2.5-VL-3B-Instruct is looked up below models_root where it exists there.
                if let modelsRoot, !value.hasPrefix("/"), !value.hasPrefix(".") {
                    let hub = modelsRoot.appendingPathComponent(value)
                    if FileManager.default.fileExists(atPath: hub.path) { return hub.standardizedFileURL }
                }
                return SettingsReader.resolve(value, against: file.deletingLastPathComponent())
            }
        }

        let name = text("name")
        let family = text("family")
        let path = folder("path")
        if name == nil { problems.append("name: is missing") }
        if let name, name.isEmpty || name.utf8.count > 200 || name.unicodeScalars.contains(where: { $0.value < 0x20 }) {
            problems.append("name: must be 1 to 200 bytes of printable text")
        }
        if let name, names.contains(name) { problems.append("name: \(name) is already used by an earlier entry") }
        if family == nil { problems.append("family: is missing") }
        if path == nil { problems.append("path: is missing") }
        let quantization = text("quantization") ?? "none"
        if !Self.quantizations.contains(quantization) {
            problems.append("quantization: must be none, int8 or int4, not \(quantization)")
        }
        let template = text("prompt_template")
        if let template, !template.contains("{prompt}") { problems.append("prompt_template: must contain {prompt}") }
        let tower = folder("vision_tower")
        let visualizer = folder("visualizer")
        let diffusion = folder("diffusion")
        let mllm = folder("mllm")
        let defaults = decodeDefaults(fields["defaults"], &problems)

        guard problems.isEmpty, let name, let family, let path else {
            let reason = place(node) + problems.joined(separator: "; ")
            return .invalid(name: name ?? "models[\(index)]", family: family, reason: reason)
        }
        return .entry(
            ModelEntry(
                name: name,
                family: family,
                path: path,
                visionTower: tower,
                visualizer: visualizer,
                diffusion: diffusion,
                mllm: mllm,
                quantization: quantization,
                promptTemplate: template,
                defaults: defaults,
                modelsRoot: modelsRoot
            )
        )
    }

    private func decodeDefaults(_ node: Node?, _ problems: inout [String]) -> EntryDefaults {
        var defaults = EntryDefaults()
        guard let node, !node.isNull else { return defaults }
        guard let mapping = node.mapping else {
            problems.append("defaults: must be a mapping")
            return defaults
        }
        let fields = Self.fields(of: mapping)
        for key in fields.keys.sorted() where !Self.defaultKeys.contains(key) {
            problems.append("defaults.\(key): unknown key")
        }
        if let value = fields["num_inference_steps"], !value.isNull {
            defaults.steps = value.scalar.flatMap { Int($0.string) }
            if !(1...1000).contains(defaults.steps ?? 0) {
                problems.append("defaults.num_inference_steps: must be a whole number from 1 to 1000")
            }
        }
        func scale(_ key: String) -> Double? {
            guard let value = fields[key], !value.isNull else { return nil }
            guard let number = value.scalar.flatMap({ Double($0.string) }), number.isFinite, number >= 0 else {
                problems.append("defaults.\(key): must be a finite number of at least 0")
                return nil
            }
            return number
        }
        defaults.guidanceScale = scale("guidance_scale")
        defaults.imageGuidanceScale = scale("image_guidance_scale")
        return defaults
    }

    private static func fields(of mapping: Node.Mapping) -> [String: Node] {
        // Yams has already refused duplicate keys; a key that is no plain word is reported as unknown.
        Dictionary(mapping.map { ($0.key.scalar?.string ?? "{…}", $0.value) }, uniquingKeysWith: { first, _ in first })
    }

    private func place(_ node: Node) -> String { "\(file.path)\(node.mark.map { ":\($0.line)" } ?? ""): " }
}
