import Checkpoints

/// The `config.json` of a LlavaFusion checkpoint: what stands beside the LLaVA-NeXT in its folder `llava-next`.
package struct LlavaFusionConfig: Sendable, Equatable, Decodable {
    package var separation: FusionSeparation
    package var image: PatchifierConfig
    /// Opens an image; runs through the text modules, as `eoiTokenID`, which closes it.
    package var boiTokenID: Int
    package var eoiTokenID: Int

    private enum CodingKeys: String, CodingKey {
        case modelType = "model_type"
        case separation
        case image = "image_config"
        case boiTokenID = "boi_token_id"
        case eoiTokenID = "eoi_token_id"
    }

    package init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        let type = try config.decode(String.self, forKey: .modelType)
        guard type == "llavafusion" else {
            throw config.invalid(.modelType, "\"\(type)\" is not supported (llavafusion)")
        }
        separation = try config.decode(FusionSeparation.self, forKey: .separation)
        image = try config.decode(PatchifierConfig.self, forKey: .image)
        // Of a vocabulary that another file tells the size of.
        boiTokenID = try config.integer(.boiTokenID, in: 0...((1 << 20) - 1))
        eoiTokenID = try config.integer(.eoiTokenID, in: 0...((1 << 20) - 1))
    }
}
