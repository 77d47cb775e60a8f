package import Checkpoints
package import Tensors

/// What the image tokens have of their own in every layer, beside a language model that is frozen or trained with them.
package enum FusionSeparation: String, Sendable, Decodable {
    /// Norms, attention projections and feed-forward (LMFusion, arXiv 2412.15188).
    case deep
    /// The feed-forward and the norm before it.
    case shallow
    /// Nothing: Transfusion (arXiv 2408.11039).
    case shared
}

/// The image side of LMFusion's models: modules for image tokens beside every module of a language model, with
/// self-attention over what either side has read.
package struct FusionImageModel: Sendable {
    package let config: PatchifierConfig
    private let decoder: LlamaDecoder
    private let patchifier: any Patchifier

    /// - Parameters:
    ///   - text: the language model, whose modules are shared where the separation says so
    ///   - reader: stands where the image side's `layers` and `patchifier` lie
    package init(
        _ config: PatchifierConfig,
        _ separation: FusionSeparation,
        beside text: Llama,
        _ reader: ParameterReader
    ) {
        self.config = config
        switch separation {
        case .deep, .shallow:
            let layers = text.decoder.layers.enumerated().map { index, layer in
                separation == .deep
                    ? LlamaLayer(text.config, reader["layers"][index])
                    : LlamaLayer(text.config, reader["layers"][index], sharingAttentionOf: layer)
            }
            let norm = RMSNorm(reader["norm"], text.config.width, epsilon: text.config.normEpsilon)
            decoder = LlamaDecoder(layers: layers, norm: norm, rotary: text.decoder.rotary)
        case .shared:
            decoder = text.decoder
        }
        patchifier =
            switch config.kind {
            case .unet: UNetPatchifier(config, width: text.config.width, reader["patchifier"])
            case .linear: LinearPatchifier(config, width: text.config.width, reader["patchifier"])
            }
    }

    /// Reads one clean image for each cache, which keeps it: latents [batch, size, size, channels] at timestep 0.
    package func read(_ latents: Tensor, caches: inout [KeyValueCache]) {
        let image = patchifier.patchify(latents, timesteps: Array(repeating: 0, count: latents.shape[0]))
        _ = decoder(image.tokens, caches: &caches, attention: .bidirectional)
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
        let hidden = decoder(image.tokens, caches: &caches, attention: .transient)
        let noise = patchifier.unpatchify(decoder.norm(hidden), of: image)
        return branches.indices.map { noise[($0 * batch)..<(($0 + 1) * batch)] }
    }
}
