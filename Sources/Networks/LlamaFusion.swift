package import Checkpoints
package import Tensors

/// The `config.json` of a LlamaFusion or Transfusion checkpoint.
package struct LlamaFusionConfig: Sendable, Equatable, Decodable {
    /// What the image tokens have of their own in every layer.
    package enum Separation: String, Sendable, Decodable {
        /// Norms, attention projections and feed-forward (LMFusion, arXiv 2412.15188).
        case deep
        /// The feed-forward and the norm before it.
        case shallow
        /// Nothing: Transfusion (arXiv 2408.11039).
        case shared
    }

    package var separation: Separation
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
        separation = try config.decode(Separation.self, forKey: .separation)
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
    private let imageDecoder: LlamaDecoder
    private let patchifier: any Patchifier

    package static let keys = Llama.keys

    package init(_ config: LlamaFusionConfig, _ reader: ParameterReader) {
        let image = reader["image_model"]
        let text = Llama(config.text, reader)
        self.config = config
        self.text = text
        switch config.separation {
        case .deep, .shallow:
            let layers = text.decoder.layers.enumerated().map { index, layer in
                config.separation == .deep
                    ? LlamaLayer(config.text, image["layers"][index])
                    : LlamaLayer(config.text, image["layers"][index], sharingAttentionOf: layer)
            }
            let norm = RMSNorm(image["norm"], config.text.width, epsilon: config.text.normEpsilon)
            imageDecoder = LlamaDecoder(layers: layers, norm: norm, rotary: text.decoder.rotary)
        case .shared:
            imageDecoder = text.decoder
        }
        patchifier =
            switch config.image.kind {
            case .unet: UNetPatchifier(config.image, width: config.text.width, image["patchifier"])
            case .linear: LinearPatchifier(config.image, width: config.text.width, image["patchifier"])
            }
    }

    /// Reads one clean image for each cache, which keeps it: latents [batch, size, size, channels] at timestep 0.
    package func read(_ latents: Tensor, caches: inout [KeyValueCache]) {
        let image = patchifier.patchify(latents, timesteps: Array(repeating: 0, count: latents.shape[0]))
        _ = imageDecoder(image.tokens, caches: &caches, attention: .bidirectional)
    }

    /// The noise in noisy latents, as each guidance branch predicts it, in one pass.
    /// - Parameters:
    ///   - latents: [batch, size, size, channels]
    ///   - timestep: of the training schedule
    ///   - branches: what stands before the image; the caches are only read
    /// - Returns: [batch, size, size, channels] for each branch
    package func predictNoise(_ latents: Tensor, timestep: Float, branches: [KeyValueCache]) -> [Tensor] {
        let batch = latents.shape[0]
        // The way to the tokens is the same in every branch.
        let patched = patchifier.patchify(latents, timesteps: Array(repeating: timestep, count: batch))
        let image = patched.repeated(branches.count)  // [branches × batch, …]
        var caches = branches.flatMap { Array(repeating: $0, count: batch) }
        let hidden = imageDecoder(image.tokens, caches: &caches, attention: .transient)
        let noise = patchifier.unpatchify(imageDecoder.norm(hidden), of: image)
        return branches.indices.map { noise[($0 * batch)..<(($0 + 1) * batch)] }
    }
}
