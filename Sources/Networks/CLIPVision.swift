package import Checkpoints
package import Tensors

/// The `vision_config` of a model with a CLIP tower, as transformers writes it.
@dynamicMemberLookup
package struct CLIPVisionConfig: Sendable, Equatable, Decodable {
    package var encoder: VisionEncoderConfig

    package init(from decoder: any Decoder) throws {
        encoder = try VisionEncoderConfig(
            decoder.container(keyedBy: VisionEncoderConfig.CodingKeys.self),
            "clip_vision_model",
            patchSize: 32,
            activations: ["quick_gelu": .quickGELU, "gelu": .gelu, "gelu_pytorch_tanh": .geluTanh],
            normEpsilon: 1e-5
        )
    }

    package subscript<Value>(dynamicMember member: KeyPath<VisionEncoderConfig, Value>) -> Value {
        encoder[keyPath: member]
    }
}

/// CLIP's vision transformer (arXiv 2103.00020): pictures to one feature vector a patch.
///
/// Only the embeddings and the layers up to the selected one are read from the checkpoint; the rest of the network stays
/// in the file, there or not.
package struct CLIPVision: Sendable {
    package let config: CLIPVisionConfig
    private let patchEmbedding: PatchEmbedding
    /// [width]: the row before the patches, from which CLIP itself reads what is in the picture.
    private let classEmbedding: Tensor
    /// [1 + patches, width]
    private let positions: Tensor
    private let preNorm: LayerNorm
    private let encoder: VisionEncoder

    /// - Parameters:
    ///   - reader: stands where `embeddings` and `encoder` lie, `vision_model` in most checkpoints
    ///   - selected: how many layers the wanted state has behind it, transformers' `hidden_states[selected]`
    package init(_ config: CLIPVisionConfig, _ reader: ParameterReader, layers selected: Int) {
        let embeddings = reader["embeddings"]
        self.config = config
        patchEmbedding = PatchEmbedding(
            embeddings["patch_embedding"],
            channels: config.channels,
            patchSize: config.patchSize,
            config.width,
            bias: false
        )
        classEmbedding = embeddings.tensor("class_embedding", [config.width]).tensor()
        positions = embeddings["position_embedding"].tensor("weight", [1 + config.patches, config.width]).tensor()
        // The misspelling is that of every CLIP checkpoint.
        preNorm = LayerNorm(reader["pre_layrnorm"], config.width, epsilon: config.normEpsilon)
        encoder = VisionEncoder(config.encoder, reader, layers: selected)
        reader.discard(["post_layernorm.weight", "post_layernorm.bias", "embeddings.position_ids"])
    }

    /// Pictures, normalised: [batch, pictureSize, pictureSize, 3] → [batch, patches, width], row by row; the row of the
    /// class embedding is left out.
    package func callAsFunction(_ pictures: Tensor) -> Tensor {
        precondition(
            pictures.shape.dropFirst() == [config.pictureSize, config.pictureSize, config.channels],
            "\(pictures.shape) for pictures of \(config.pictureSize)"
        )
        let (batch, rows, width) = (pictures.shape[0], 1 + config.patches, config.width)
        let first = (classEmbedding + positions[0..<1]).reshaped([1, 1, width]).repeated(batch)
        let ofPatches = positions[1..<rows].reshaped([1, rows - 1, width]).repeated(batch)
        let patches = patchEmbedding(pictures, adding: ofPatches)
        let embedded = preNorm(.concatenated([first, patches], axis: 1))  // [batch, 1 + patches, width]
        let hidden = encoder(embedded)
        let withoutFirst = (0..<batch).map { item in
            hidden[item..<(item + 1)].reshaped([rows, width])[1..<rows]
        }
        return Tensor.concatenated(withoutFirst, axis: 0).reshaped([batch, rows - 1, width])
    }
}
