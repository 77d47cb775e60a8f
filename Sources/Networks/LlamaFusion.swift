package import Checkpoints
package import Tensors

/// The `config.json` of a LlamaFusion or Transfusion checkpoint.
package struct LlamaFusionConfig: Sendable, Equatable, Decodable {
    package var separation: FusionSeparation
    package var text: LlamaConfig
    package var image: PatchifierConfig
    package var bosTokenID: Int
    package var eosTokenIDs: [Int]
    /// Opens an image; runs through the text modules, as `eoiTokenID`, which closes it.
    package var boiTokenID: Int
    package var eoiTokenID: Int

    private enum CodingKeys: String, CodingKey {
        case separation
        case text = "text_config"
        case image = "image_config"
        case bosTokenID = "bos_token_id"
        case eosTokenIDs = "eos_token_id"
        case boiTokenID = "boi_token_id"
        case eoiTokenID = "eoi_token_id"
    }

    package init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        separation = try config.decode(FusionSeparation.self, forKey: .separation)
        text = try config.decode(LlamaConfig.self, forKey: .text)
        image = try config.decode(PatchifierConfig.self, forKey: .image)
        let ids = 0...(text.vocabularySize - 1)
        bosTokenID = try config.integer(.bosTokenID, in: ids)
        boiTokenID = try config.integer(.boiTokenID, in: ids)
        eoiTokenID = try config.integer(.eoiTokenID, in: ids)
        // One id, or several as Llama 3 has them.
        if let several = try? config.decode([Int].self, forKey: .eosTokenIDs) {
            guard !several.isEmpty, several.allSatisfy(ids.contains) else {
                throw config.invalid(.eosTokenIDs, "\(several) are not token ids")
            }
            eosTokenIDs = several
        } else {
            eosTokenIDs = [try config.integer(.eosTokenIDs, in: ids)]
        }
    }
}

/// One decoder in which every token is routed by modality; self-attention runs over all of them.
///
/// A sequence is read in segments of one modality, each behind what its cache holds: text causally, through exactly the
/// modules and passes of `Llama`; an image as one block whose tokens see each other and everything before them.
/// Positions count through text and images alike.
package struct LlamaFusion: Sendable {
    package let config: LlamaFusionConfig
    /// The text side: a Llama checkpoint of its own.
    package let text: Llama
    /// The image side.
    package let image: FusionImageModel

    package static let keys = Llama.keys

    package init(_ config: LlamaFusionConfig, _ reader: ParameterReader) {
        self.config = config
        text = Llama(config.text, reader)
        image = FusionImageModel(config.image, config.separation, beside: text, reader["image_model"])
    }

    /// See `FusionImageModel`.
    package func read(_ latents: Tensor, caches: inout [KeyValueCache]) {
        image.read(latents, caches: &caches)
    }

    /// See `FusionImageModel`.
    package func predictNoise(_ latents: Tensor, timestep: Float, branches: [KeyValueCache]) -> [Tensor] {
        image.predictNoise(latents, timestep: timestep, branches: branches)
    }
}
