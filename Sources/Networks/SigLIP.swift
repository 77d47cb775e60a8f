package import Checkpoints
package import Tensors

/// The vision half of transformers' SigLIP configuration: `vision_config` of a whole `config.json`, or a file of its own.
package struct SigLIPConfig: Sendable, Equatable, Decodable {
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
    /// Layers of the text half, which a checkpoint of the whole model holds as well; 0 without one.
    package var textLayers: Int

    /// Patches a side; pixels behind the last whole one are not seen (384 pixels make 27 patches of 14).
    package var gridSize: Int { pictureSize / patchSize }
    package var patches: Int { gridSize * gridSize }

    private enum CodingKeys: String, CodingKey {
        case modelType = "model_type"
        case vision = "vision_config"
        case text = "text_config"
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
        let file = try decoder.container(keyedBy: CodingKeys.self)
        let isWhole = try file.holds(.vision) || file.decodeIfPresent(String.self, forKey: .modelType) == "siglip"
        let config = isWhole ? try file.nestedContainer(keyedBy: CodingKeys.self, forKey: .vision) : file
        let type = try config.decodeIfPresent(String.self, forKey: .modelType) ?? "siglip_vision_model"
        guard type == "siglip_vision_model" else {
            throw config.invalid(.modelType, "\"\(type)\" is not supported (siglip_vision_model)")
        }
        width = try config.integer(.width, in: .networkSize, default: 768)
        feedForwardWidth = try config.integer(.feedForwardWidth, in: .networkSize, default: 3072)
        layers = try Self.layers(config)
        heads = try config.integer(.heads, in: .networkSize, default: 12)
        guard width.isMultiple(of: heads) else { throw config.invalid(.heads, "\(heads) does not divide \(width)") }
        channels = try config.integer(.channels, in: 3...3, default: 3)
        // Far above any real one; patches stay countable.
        pictureSize = try config.integer(.pictureSize, in: 1...8192, default: 224)
        patchSize = try config.integer(.patchSize, in: 1...pictureSize, default: 16)
        activation = try Self.activation(config)
        normEpsilon = try config.number(.normEpsilon, in: 0...1, default: 1e-6)
        if isWhole, try file.holds(.text) {
            textLayers = try Self.layers(file.nestedContainer(keyedBy: CodingKeys.self, forKey: .text))
        } else {
            textLayers = 0
        }
    }

    private static func layers(_ config: KeyedDecodingContainer<CodingKeys>) throws -> Int {
        try config.integer(.layers, in: 1...1024, default: 12)
    }

    private static func activation(_ config: KeyedDecodingContainer<CodingKeys>) throws -> VisionActivation {
        let name = try config.decodeIfPresent(String.self, forKey: .activation) ?? "gelu_pytorch_tanh"
        guard let activation = VisionActivation(rawValue: name), activation != .quickGELU else {
            throw config.invalid(.activation, "\"\(name)\" is not supported (gelu_pytorch_tanh, gelu)")
        }
        return activation
    }
}

/// SigLIP's vision transformer (arXiv 2303.15343): pictures to one feature vector a patch.
///
/// Only what the wanted output needs is read from the checkpoint: the embeddings, the layers up to the selected one, and
/// the post-layernorm where it is applied. Everything else that such a checkpoint may hold is named in `Keys` and left
/// in the file, there or not; any other key is an error.
package struct SigLIP: Sendable {
    package let config: SigLIPConfig
    private let patchEmbedding: PatchEmbedding
    /// [1, patches, width]
    private let positions: Tensor
    private let layers: [VisionEncoderLayer]
    private let postNorm: LayerNorm?

    /// Which of the network's states is wanted.
    package enum Output: Sendable, Equatable {
        /// What the first layers make of the embeddings, without a norm: transformers' `hidden_states[layers]`.
        case hiddenState(layers: Int)
        /// All layers and the post-layernorm: transformers' `last_hidden_state`.
        case normalized
    }

    /// - Parameter reader: stands where `embeddings` and `encoder` lie, `vision_model` in most checkpoints
    package init(_ config: SigLIPConfig, _ reader: ParameterReader, output: Output) {
        let count = if case .hiddenState(let layers) = output { layers } else { config.layers }
        precondition((0...config.layers).contains(count), "\(count) of \(config.layers) layers")
        let embeddings = reader["embeddings"]
        let encoder = reader["encoder"]["layers"]
        self.config = config
        patchEmbedding = PatchEmbedding(
            embeddings["patch_embedding"],
            channels: config.channels,
            patchSize: config.patchSize,
            config.width
        )
        let table = embeddings["position_embedding"].tensor("weight", [config.patches, config.width]).tensor()
        positions = table.reshaped([1] + table.shape)
        layers = (0..<count).map { index in
            VisionEncoderLayer(
                encoder[index],
                config.width,
                heads: config.heads,
                feedForwardWidth: config.feedForwardWidth,
                normEpsilon: config.normEpsilon,
                activation: config.activation
            )
        }
        if output == .normalized {
            postNorm = LayerNorm(reader["post_layernorm"], config.width, epsilon: config.normEpsilon)
        } else {
            postNorm = nil
            reader.discard(Keys.postNorm)
        }
        for layer in count..<config.layers { VisionEncoderLayer.discard(encoder[layer]) }
        reader.discard(Keys.pooling + Keys.buffers)
    }

    /// The vision half of a checkpoint of its own, whose text half, if it has one, stays in the file.
    /// - Parameter reader: stands at the root of the checkpoint
    package init(_ config: SigLIPConfig, checkpoint reader: ParameterReader, output: Output) {
        self.init(config, reader["vision_model"], output: output)
        let text = reader["text_model"]
        guard config.textLayers > 0 else { return }
        for layer in 0..<config.textLayers { VisionEncoderLayer.discard(text["encoder"]["layers"][layer]) }
        text.discard(Keys.text + Keys.buffers)
        reader.discard(Keys.contrast)
    }

    /// Leaves a whole copy of the network unread: the one that other models save beside their own weights.
    package static func discard(_ config: SigLIPConfig, _ reader: ParameterReader) {
        for layer in 0..<config.layers { VisionEncoderLayer.discard(reader["encoder"]["layers"][layer]) }
        reader.discard(Keys.embeddings + Keys.postNorm + Keys.pooling + Keys.buffers)
    }

    /// Pictures, normalised: [batch, pictureSize, pictureSize, 3] → [batch, patches, width], row by row.
    package func callAsFunction(_ pictures: Tensor) -> Tensor {
        precondition(
            pictures.shape.dropFirst() == [config.pictureSize, config.pictureSize, config.channels],
            "\(pictures.shape) for pictures of \(config.pictureSize)"
        )
        let embedded = patchEmbedding(pictures, adding: positions.repeated(pictures.shape[0]))
        let hidden = layers.reduce(embedded) { hidden, layer in layer(hidden) }
        return postNorm?(hidden) ?? hidden
    }
}

extension SigLIPConfig {
    /// The output that an index into transformers' `hidden_states` means: 0 is the embeddings, −1 the last layer's output,
    /// both without the post-layernorm. Nil where there is no such state.
    package func hiddenState(_ index: Int) -> SigLIP.Output? {
        VisionEncoderLayer.count(behindState: index, of: layers).map { .hiddenState(layers: $0) }
    }
}

/// The keys of transformers' `SiglipModel` that may stay unread.
private enum Keys {
    static let embeddings = [
        "embeddings.patch_embedding.weight", "embeddings.patch_embedding.bias", "embeddings.position_embedding.weight",
    ]
    static let postNorm = ["post_layernorm.weight", "post_layernorm.bias"]
    /// The head that pools patches by attention, for comparing pictures with texts.
    static let pooling = [
        "head.probe", "head.attention.in_proj_weight", "head.attention.in_proj_bias", "head.attention.out_proj.weight",
        "head.attention.out_proj.bias", "head.layernorm.weight", "head.layernorm.bias", "head.mlp.fc1.weight",
        "head.mlp.fc1.bias", "head.mlp.fc2.weight", "head.mlp.fc2.bias",
    ]
    /// The text half around its layers.
    static let text = [
        "embeddings.token_embedding.weight", "embeddings.position_embedding.weight", "final_layer_norm.weight",
        "final_layer_norm.bias", "head.weight", "head.bias",
    ]
    /// Temperature and bias of the sigmoid loss.
    static let contrast = ["logit_scale", "logit_bias"]
    /// Counters that old versions of transformers saved in either half.
    static let buffers = ["embeddings.position_ids"]
}
