package import Checkpoints
package import Tensors

/// The denoiser of Sana (arXiv 2410.10629), diffusers' `SanaTransformer2DModel`: noisy latents, a timestep and a
/// condition → the predicted flow. It knows no positions: the depthwise convolutions tell neighbours apart.
///
/// Latents are [batch, height, width, channels] with sides that are multiples of the patch size; what comes out for one
/// item does not depend on its neighbours in the batch.
///
/// Sana is published for bfloat16, and MetaQuery's official code rounds its weights on load. To compute what it
/// computes, build the network from `reader.roundedToBFloat16`, which leaves weights alone that are stored so.
package struct SanaTransformer: Sendable {
    package let config: SanaTransformerConfig
    let patchEmbedding: PatchEmbedding
    private let timeEmbedding: TimestepEmbedding
    private let timeProjection: Linear
    private let captionProjection1: Linear
    private let captionProjection2: Linear
    private let captionNorm: RMSNorm
    let blocks: [SanaBlock]
    private let table: ModulationTable
    private let output: Linear

    package init(_ config: SanaTransformerConfig, _ reader: ParameterReader) {
        let width = config.width
        self.config = config
        patchEmbedding = PatchEmbedding(
            reader["patch_embed"]["proj"],
            channels: config.inputChannels,
            patchSize: config.patchSize,
            width
        )
        let time = reader["time_embed"]
        timeEmbedding = TimestepEmbedding(time["emb"]["timestep_embedder"], sinusoid: 256, width: width)
        timeProjection = Linear(time["linear"], width, 6 * width)
        captionProjection1 = Linear(reader["caption_projection"]["linear_1"], config.captionWidth, width)
        captionProjection2 = Linear(reader["caption_projection"]["linear_2"], width, width)
        // diffusers fixes the epsilon of this norm and of the last one.
        captionNorm = RMSNorm(reader["caption_norm"], width, epsilon: 1e-5)
        blocks = (0..<config.layers).map { SanaBlock(config, reader["transformer_blocks"][$0]) }
        table = ModulationTable(reader, [.shift, .scale], width)
        output = Linear(reader["proj_out"], width, config.patchSize * config.patchSize * config.outputChannels)
    }

    /// Keys and values of conditions [items, tokens, captionWidth], for every step of a run.
    /// - Parameter masks: which tokens of each item are there. Where none is, all are: PyTorch's mask lowers every score by
    ///   the same amount, which softmax doesn't see.
    package func keyValues(of conditions: Tensor, masks: [[Bool]]? = nil) -> ConditionKeyValues {
        precondition(
            masks.map { $0.count == conditions.shape[0] && $0.allSatisfy { $0.count == conditions.shape[1] } } ?? true,
            "masks for \(conditions.shape)"
        )
        let caption = normalized(projected(conditions))
        let keyValues = blocks.map { block in
            let all = block.keyValues(of: caption)
            guard let masks else { return all }
            return KeyValues(
                keys: zip(all.keys, masks).map { $0.rows(kept: $1) },
                values: zip(all.values, masks).map { $0.rows(kept: $1) }
            )
        }
        return ConditionKeyValues([keyValues], count: conditions.shape[0])
    }

    /// [batch, height, width, inputChannels] → [batch, height, width, outputChannels]
    /// - Parameters:
    ///   - timesteps: one an item, in 0…1000
    ///   - condition: one an item
    package func callAsFunction(_ latents: Tensor, timesteps: [Float], condition: ConditionKeyValues) -> Tensor {
        let patch = config.patchSize
        precondition(
            latents.shape[1].isMultiple(of: patch) && latents.shape[2].isMultiple(of: patch),
            "\(latents.shape) in patches of \(patch)"
        )
        precondition(
            timesteps.count == latents.shape[0] && condition.count == latents.shape[0],
            "\(timesteps.count) timesteps and \(condition.count) conditions for \(latents.shape)"
        )
        let (batch, height, width) = (latents.shape[0], latents.shape[1] / patch, latents.shape[2] / patch)
        let time = embedding(of: timesteps)  // [batch, width]
        let modulation = modulation(of: time)
        var hidden = patchEmbedding(latents).reshaped([batch, height, width, config.width])
        for (block, keyValues) in zip(blocks, condition[transformer: 0]) {
            hidden = block(consume hidden, modulation: modulation, condition: keyValues)
        }
        // [batch, row, column, y, x, channel]
        let patches = output(normalized(hidden, time: time))
            .reshaped([batch, height, width, patch, patch, config.outputChannels])
        return patches.permuted([0, 1, 3, 2, 4, 5])
            .reshaped([batch, latents.shape[1], latents.shape[2], config.outputChannels])
    }

    /// One timestep an item → [batch, width]
    func embedding(of timesteps: [Float]) -> Tensor { timeEmbedding(timesteps) }

    /// What the time embedding [batch, width] is to the norms of all blocks, [batch, 6 × width].
    func modulation(of time: Tensor) -> Tensor {
        let activated = time.activated(.silu).reshaped([time.shape[0], 1, time.shape[1]])
        return timeProjection(activated).reshaped([time.shape[0], 6 * config.width])
    }

    /// Conditions [items, tokens, captionWidth] → [items, tokens, width]
    func projected(_ conditions: Tensor) -> Tensor {
        captionProjection2(captionProjection1(conditions, activation: .geluTanh))
    }

    func normalized(_ caption: Tensor) -> Tensor { captionNorm(caption) }

    /// The last norm: [batch, height, width, channels] → the same shape
    func normalized(_ hidden: Tensor, time: Tensor) -> Tensor {
        // Shift and scale both get the whole embedding.
        let rows = table(.concatenated([time, time], axis: 1))
        return hidden.layerNormalized(scales: rows[1], shifts: rows[0], epsilon: 1e-6)
    }
}

extension Tensor {
    /// The rows of [rows, width] that a mask keeps; all of them where it keeps none.
    fileprivate func rows(kept mask: [Bool]) -> Tensor {
        let kept = mask.indices.filter { mask[$0] }
        guard !kept.isEmpty, kept.count < mask.count else { return self }
        return .concatenated(kept.map { self[$0..<($0 + 1)] }, axis: 0)
    }
}
