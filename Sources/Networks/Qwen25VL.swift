package import Checkpoints

/// The `config.json` of a Qwen2.5-VL checkpoint, as transformers writes it: older versions keep the language model's keys
/// at the root, newer ones in `text_config`.
package struct Qwen25VLConfig: Sendable, Equatable, Decodable {
    package var text: LlamaConfig
    package var vision: Qwen25VisionConfig
    /// Stands in a prompt for a token of a picture.
    package var pictureToken: Int
    /// Stands in a prompt for a token of a video.
    package var videoToken: Int
    /// Where `generation_config.json` names none.
    package var endTokens: [Int]

    private enum CodingKeys: String, CodingKey {
        case modelType = "model_type"
        case text = "text_config"
        case vision = "vision_config"
        case tiesHead = "tie_word_embeddings"
        case scaling = "rope_scaling"
        case pictureToken = "image_token_id"
        case videoToken = "video_token_id"
        case endTokens = "eos_token_id"
    }

    package init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        let type = try config.decode(String.self, forKey: .modelType)
        guard type == "qwen2_5_vl" else {
            throw config.invalid(.modelType, "\"\(type)\" is not supported (qwen2_5_vl)")
        }
        var textKeys = config
        if try config.holds(.text) {
            textKeys = try config.nestedContainer(keyedBy: CodingKeys.self, forKey: .text)
            text = try config.decode(LlamaConfig.self, forKey: .text)
            // Of the whole model, where the root says it.
            text.tiesHead = try config.decodeIfPresent(Bool.self, forKey: .tiesHead) ?? text.tiesHead
        } else {
            text = try LlamaConfig(from: decoder)
        }
        guard !text.rotary.sections.isEmpty else {
            throw textKeys.invalid(.scaling, "names no mrope_section, which positions of pictures need")
        }
        endTokens = try (textKeys.holds(.endTokens) ? textKeys : config).tokenIDs(.endTokens)
        vision = try config.decode(Qwen25VisionConfig.self, forKey: .vision)
        guard vision.outputWidth == text.width else {
            throw config.invalid(.vision, "out_hidden_size is \(vision.outputWidth), but tokens are \(text.width) wide")
        }
        let ids = 0...(text.vocabularySize - 1)
        pictureToken = try config.integer(.pictureToken, in: ids, default: 151_655)
        videoToken = try config.integer(.videoToken, in: ids, default: 151_656)
    }
}

/// Qwen2.5-VL (arXiv 2502.13923): a Qwen2 that reads tokens of pictures and videos at positions in time, rows and columns.
package struct Qwen25VL: Sendable {
    package let config: Qwen25VLConfig
    package let text: Llama
    package let vision: Qwen25Vision

    /// The names that transformers writes since 4.52 become those from before. What is renamed may stand below the root
    /// of a larger checkpoint.
    package static let keys = KeyTable(
        renamed: Qwen25Vision.keys.renamed + [("model.language_model.", "model.")],
        ignoredSuffixes: Llama.keys.ignoredSuffixes
    )

    /// - Parameters:
    ///   - reader: stands where `model` and `visual` lie
    ///   - hasHead: false where the checkpoint has no `lm_head`; see `Llama`
    package init(_ config: Qwen25VLConfig, _ reader: ParameterReader, hasHead: Bool = true) {
        self.config = config
        text = Llama(config.text, reader, hasHead: hasHead)
        vision = Qwen25Vision(config.vision, reader["visual"])
    }
}
