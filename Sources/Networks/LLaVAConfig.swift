import Checkpoints

/// The `config.json` of a LLaVA-OneVision (arXiv 2408.03326) or LLaVA-NeXT checkpoint, as transformers writes it.
package struct LLaVAConfig: Sendable, Equatable, Decodable {
    /// The network that sees, and how many of its layers are used.
    package enum Tower: Sendable, Equatable {
        case siglip(SigLIPConfig, layers: Int)
        case clip(CLIPVisionConfig, layers: Int)

        package var encoder: VisionEncoderConfig {
            switch self {
            case .siglip(let config, _): config.encoder
            case .clip(let config, _): config.encoder
            }
        }
    }

    package var text: LlamaConfig
    package var tower: Tower
    package var tiles: AnyResolution
    /// Tiles' worth of features from which on a picture's are interpolated to fewer: 9 in LLaVA-OneVision's
    /// `anyres_max_9`; nil keeps them all.
    package var featureLimit: Int?
    package var hasProjectorBias: Bool
    /// Stands in a prompt for a picture.
    package var pictureToken: Int
    /// Stands in a prompt for a video; nil where the model has seen none.
    package var videoToken: Int?
    /// Where `generation_config.json` names none.
    package var endTokens: [Int]

    private enum CodingKeys: String, CodingKey {
        case modelType = "model_type"
        case text = "text_config"
        case vision = "vision_config"
        case pinpoints = "image_grid_pinpoints"
        case aspectRatio = "vision_aspect_ratio"
        case selectedLayer = "vision_feature_layer"
        case strategy = "vision_feature_select_strategy"
        case projectorActivation = "projector_hidden_act"
        case hasProjectorBias = "multimodal_projector_bias"
        case usesNewline = "use_image_newline_parameter"
        case pictureToken = "image_token_index"
        case newPictureToken = "image_token_id"
        case videoToken = "video_token_index"
        case newVideoToken = "video_token_id"
    }

    private enum TextKeys: String, CodingKey {
        case modelType = "model_type"
        case endTokens = "eos_token_id"
    }

    /// What the two models' config classes have as defaults.
    private struct Defaults {
        var selectedLayer: Int
        var strategy: String
        var pinpoints: [[Int]]
        var pictureToken: Int
        var videoToken: Int?

        static let oneVision = Defaults(
            selectedLayer: -1,
            strategy: "full",
            pinpoints: (1...6).flatMap { rows in (1...6).map { columns in [384 * rows, 384 * columns] } },
            pictureToken: 151_646,
            videoToken: 151_647
        )
        static let next = Defaults(
            selectedLayer: -2,
            strategy: "default",
            pinpoints: [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
            pictureToken: 32000,
            videoToken: nil
        )
    }

    package init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        let type = try config.decode(String.self, forKey: .modelType)
        let defaults: Defaults
        switch type {
        case "llava_onevision": defaults = .oneVision
        case "llava_next": defaults = .next
        default: throw config.invalid(.modelType, "\"\(type)\" is not supported (llava_onevision, llava_next)")
        }
        text = try config.decode(LlamaConfig.self, forKey: .text)
        let textConfig = try config.nestedContainer(keyedBy: TextKeys.self, forKey: .text)
        let textType = try textConfig.decode(String.self, forKey: .modelType)
        guard ["llama", "qwen2"].contains(textType) else {
            throw textConfig.invalid(.modelType, "\"\(textType)\" is not supported (llama, qwen2)")
        }
        endTokens = try textConfig.tokenIDs(.endTokens)

        let selected = try config.integer(.selectedLayer, in: -1025...1024, default: defaults.selectedLayer)
        let strategy = try config.decodeIfPresent(String.self, forKey: .strategy) ?? defaults.strategy
        tower = try Self.tower(config, selectedLayer: selected, strategy: strategy)
        let pinpoints = try config.decodeIfPresent([[Int]].self, forKey: .pinpoints) ?? defaults.pinpoints
        let tileSize = tower.encoder.pictureSize
        guard let tiles = AnyResolution(pinpoints: pinpoints, tileSize: tileSize) else {
            throw config.invalid(.pinpoints, "are not pairs of multiples of \(tileSize), the tower's size")
        }
        self.tiles = tiles
        featureLimit = type == "llava_onevision" ? try Self.featureLimit(config) : nil

        hasProjectorBias = try config.decodeIfPresent(Bool.self, forKey: .hasProjectorBias) ?? true
        let activation = try config.decodeIfPresent(String.self, forKey: .projectorActivation) ?? "gelu"
        guard activation == "gelu" else {
            throw config.invalid(.projectorActivation, "\"\(activation)\" is not supported (gelu)")
        }
        guard try config.decodeIfPresent(Bool.self, forKey: .usesNewline) ?? true else {
            throw config.invalid(.usesNewline, "false is not supported")
        }
        let ids = 0...(text.vocabularySize - 1)
        let pictureKey: CodingKeys = try config.holds(.newPictureToken) ? .newPictureToken : .pictureToken
        pictureToken = try config.integer(pictureKey, in: ids, default: defaults.pictureToken)
        let videoKey: CodingKeys = try config.holds(.newVideoToken) ? .newVideoToken : .videoToken
        videoToken = try defaults.videoToken.map { try config.integer(videoKey, in: ids, default: $0) }
    }

    private static func tower(
        _ config: KeyedDecodingContainer<CodingKeys>,
        selectedLayer: Int,
        strategy: String
    ) throws -> Tower {
        let type = try config.nestedContainer(keyedBy: TextKeys.self, forKey: .vision)
            .decode(String.self, forKey: .modelType)
        let (tower, known): (Tower?, String)
        if type == "clip_vision_model" {
            let clip = try config.decode(CLIPVisionConfig.self, forKey: .vision)
            tower = clip.encoder.layers(behindState: selectedLayer).map { .clip(clip, layers: $0) }
            known = "default"
        } else {
            let siglip = try config.decode(SigLIPConfig.self, forKey: .vision)
            tower = siglip.encoder.layers(behindState: selectedLayer).map { .siglip(siglip, layers: $0) }
            known = "full"
        }
        guard let tower else {
            throw config.invalid(.selectedLayer, "\(selectedLayer) is not a state of the vision tower")
        }
        // "default" leaves out a first row, which only CLIP has, and its features must fill a square.
        guard strategy == known else {
            throw config.invalid(.strategy, "\"\(strategy)\" is not supported with this tower (\(known))")
        }
        return tower
    }

    private static func featureLimit(_ config: KeyedDecodingContainer<CodingKeys>) throws -> Int {
        let name = try config.decodeIfPresent(String.self, forKey: .aspectRatio) ?? "anyres_max_9"
        guard name.hasPrefix("anyres_max_"), let limit = Int(name.dropFirst(11)), (1...4096).contains(limit) else {
            throw config.invalid(.aspectRatio, "\"\(name)\" is not supported (anyres_max_ and a number)")
        }
        return limit
    }
}

extension KeyedDecodingContainer {
    /// One id, or several as Llama 3 has them; none where the key is missing.
    package func tokenIDs(_ key: Key) throws -> [Int] {
        guard try holds(key) else { return [] }
        if let single = try? decode(Int.self, forKey: key) { return [single] }
        return try decode([Int].self, forKey: key)
    }
}
