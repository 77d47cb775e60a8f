package import Checkpoints
package import Tensors

/// The `vision_config` of a model with a CLIP tower, as transformers writes it.
package struct CLIPVisionConfig: Sendable, Equatable, Decodable {
    package var width: Int
    package var feedForwardWidth: Int
    package var layers: Int
    package var heads: Int
    package var channels: Int
    /// Pixels a side; pictures are square.
    package var pictureSize: Int
    package var patchSize: Int
    package var activation: VisionActivation
    package var normEpsilon: Double

    /// Patches a side; pixels behind the last whole one are not seen.
    package var gridSize: Int { pictureSize / patchSize }
    package var patches: Int { gridSize * gridSize }

    private enum CodingKeys: String, CodingKey {
        case modelType = "model_type"
        case width = "hidden_size"
        case feedForwardWidth = "intermediate_size"
        case layers = "num_hidden_layers"
        case heads = "num_attention_heads"
        case channels = "num_channels"
        case pictureSize = "image_size"
        case patchSize = "patch_size"
        case activation = "hidden_act"
        case normEpsilon = "layer_norm_eps"
    }

    package init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        let type = try config.decodeIfPresent(String.self, forKey: .modelType) ?? "clip_vision_model"
        guard type == "clip_vision_model" else {
            throw config.invalid(.modelType, "\"\(type)\" is not supported (clip_vision_model)")
        }
        width = try config.integer(.width, in: .networkSize, default: 768)
        feedForwardWidth = try config.integer(.feedForwardWidth, in: .networkSize, default: 3072)
        layers = try config.integer(.layers, in: 1...1024, default: 12)
        heads = try config.integer(.heads, in: .networkSize, default: 12)
        guard width.isMultiple(of: heads) else { throw config.invalid(.heads, "\(heads) does not divide \(width)") }
        channels = try config.integer(.channels, in: 3...3, default: 3)
        // Far above any real one; patches stay countable.
        pictureSize = try config.integer(.pictureSize, in: 1...8192, default: 224)
        patchSize = try config.integer(.patchSize, in: 1...pictureSize, default: 32)
        let name = try config.decodeIfPresent(String.self, forKey: .activation) ?? "quick_gelu"
        guard let activation = VisionActivation(rawValue: name) else {
            throw config.invalid(.activation, "\"\(name)\" is not supported (quick_gelu, gelu, gelu_pytorch_tanh)")
        }
        self.activation = activation
        normEpsilon = try config.number(.normEpsilon, in: 0...1, default: 1e-5)
    }
}

extension CLIPVisionConfig {
    /// The layers behind an entry of transformers' `hidden_states`; nil where there is no such state.
    package func layers(behindState index: Int) -> Int? { VisionEncoderLayer.count(behindState: index, of: layers) }
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
    private let layers: [VisionEncoderLayer]

    /// - Parameters:
    ///   - reader: stands where `embeddings` and `encoder` lie, `vision_model` in most checkpoints
    ///   - selected: how many layers the wanted state has behind it, transformers' `hidden_states[selected]`
    package init(_ config: CLIPVisionConfig, _ reader: ParameterReader, layers selected: Int) {
        precondition((0...config.layers).contains(selected), "\(selected) of \(config.layers) layers")
        let embeddings = reader["embeddings"]
        let encoder = reader["encoder"]["layers"]
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
        layers = (0..<selected).map { index in
            VisionEncoderLayer(
                encoder[index],
                config.width,
                heads: config.heads,
                feedForwardWidth: config.feedForwardWidth,
                normEpsilon: config.normEpsilon,
                activation: config.activation
            )
        }
        for layer in selected..<config.layers { VisionEncoderLayer.discard(encoder[layer]) }
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
        let hidden = layers.reduce(embedded) { hidden, layer in layer(hidden) }
        let withoutFirst = (0..<batch).map { item in
            hidden[item..<(item + 1)].reshaped([rows, width])[1..<rows]
        }
        return Tensor.concatenated(withoutFirst, axis: 0).reshaped([batch, rows - 1, width])
    }
}
