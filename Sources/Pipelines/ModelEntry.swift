package import Foundation

/// One entry under `models:` in the configuration: what to load and from where. Folders are absolute.
package struct ModelEntry: Codable, Sendable, Equatable {
    package var name: String
    /// `llamafusion`, `llavafusion`, `metamorph`, `metaquery` or `mllm`.
    package var family: String
    package var path: URL
    package var visionTower: URL?
    package var visualizer: URL?
    package var diffusion: URL?
    package var mllm: URL?
    /// `none`, `int8` or `int4`.
    package var quantization: String
    /// What a text-to-image prompt is wrapped in; nil takes the family's.
    package var promptTemplate: String?
    package var defaults: EntryDefaults
    /// Where hub names such as `Qwen/Qwen2.5-VL-3B-Instruct` are looked up.
    package var modelsRoot: URL?

    package init(
        name: String,
        family: String,
        path: URL,
        visionTower: URL? = nil,
        visualizer: URL? = nil,
        diffusion: URL? = nil,
        mllm: URL? = nil,
        quantization: String = "none",
        promptTemplate: String? = nil,
        defaults: EntryDefaults = EntryDefaults(),
        modelsRoot: URL? = nil
    ) {
        self.name = name
        self.family = family
        self.path = path
        self.visionTower = visionTower
        self.visualizer = visualizer
        self.diffusion = diffusion
        self.mllm = mllm
        self.quantization = quantization
        self.promptTemplate = promptTemplate
        self.defaults = defaults
        self.modelsRoot = modelsRoot
    }
}

/// The `defaults:` of an entry; what is nil keeps the family's value.
package struct EntryDefaults: Codable, Sendable, Equatable {
    package var steps: Int?
    package var guidanceScale: Double?
    package var imageGuidanceScale: Double?

    package init(steps: Int? = nil, guidanceScale: Double? = nil, imageGuidanceScale: Double? = nil) {
        self.steps = steps
        self.guidanceScale = guidanceScale
        self.imageGuidanceScale = imageGuidanceScale
    }
}

/// One item of the configured models. A broken one never stops the others.
package enum ConfiguredModel: Sendable, Equatable {
    case entry(ModelEntry)
    /// The entry's values can't be used; `name` is its own, or `models[i]` where it has none.
    case invalid(name: String, family: String?, reason: String)

    package var name: String {
        switch self {
        case .entry(let entry): entry.name
        case .invalid(let name, _, _): name
        }
    }

    package var family: String? {
        switch self {
        case .entry(let entry): entry.family
        case .invalid(_, let family, _): family
        }
    }
}
