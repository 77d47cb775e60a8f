package import Checkpoints
package import Tensors

/// The vision half of transformers' SigLIP configuration: `vision_config` of a whole `config.json`, or a file of its own.
@dynamicMemberLookup
package struct SigLIPConfig: Sendable, Equatable, Decodable {
    package var encoder: VisionEncoderConfig
    /// Layers of the text half, which a checkpoint of the whole model holds as well; 0 without one.
    package var textLayers: Int

    private enum CodingKeys: String, CodingKey {
        case modelType = "model_type"
        case vision = "vision_config"
        case text = "text_config"
    }

    package init(from decoder: any Decoder) throws {
        typealias EncoderKeys = VisionEncoderConfig.CodingKeys
        let file = try decoder.container(keyedBy: CodingKeys.self)
        let isWhole = try file.holds(.vision) || file.decodeIfPresent(String.self, forKey: .modelType) == "siglip"
        encoder = try VisionEncoderConfig(
            isWhole
                ? file.nestedContainer(keyedBy: EncoderKeys.self, forKey: .vision)
                : decoder.container(keyedBy: EncoderKeys.self),
            "siglip_vision_model",
            patchSize: 16,
            activations: ["gelu_pytorch_tanh": .geluTanh, "gelu": .gelu],
            normEpsilon: 1e-6
        )
        let hasText = try isWhole && file.holds(.text)
        textLayers =
            hasText
            ? try VisionEncoderConfig.layers(file.nestedContainer(keyedBy: EncoderKeys.self, forKey: .text))
            : 0
    }

    package subscript<Value>(dynamicMember member: KeyPath<VisionEncoderConfig, Value>) -> Value {
        encoder[keyPath: member]
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
    private let encoder: VisionEncoder
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
        let embeddings = reader["embeddings"]
        self.config = config
        patchEmbedding = PatchEmbedding(
            embeddings["patch_embedding"],
            channels: config.channels,
            patchSize: config.patchSize,
            config.width
        )
        let table = embeddings["position_embedding"].tensor("weight", [config.patches, config.width]).tensor()
        positions = table.reshaped([1] + table.shape)
        encoder = VisionEncoder(config.encoder, reader, layers: count)
        if output == .normalized {
            postNorm = LayerNorm(reader["post_layernorm"], config.width, epsilon: config.normEpsilon)
        } else {
            postNorm = nil
            reader.discard(Keys.postNorm)
        }
        reader.discard(Keys.pooling + Keys.buffers)
    }

    /// The vision half of a checkpoint of its own, whose text half, if it has one, stays in the file.
    /// - Parameter reader: stands at the root of the checkpoint
    package init(_ config: SigLIPConfig, checkpoint reader: ParameterReader, output: Output) {
        self.init(config, reader["vision_model"], output: output)
        let text = reader["text_model"]
        guard config.textLayers > 0 else { return }
        VisionEncoder.discard(text, layers: 0..<config.textLayers)
        text.discard(Keys.text + Keys.buffers)
        reader.discard(Keys.contrast)
    }

    /// Leaves a whole copy of the network unread: the one that other models save beside their own weights.
    package static func discard(_ config: SigLIPConfig, _ reader: ParameterReader) {
        VisionEncoder.discard(reader, layers: 0..<config.layers)
        reader.discard(Keys.embeddings + Keys.postNorm + Keys.pooling + Keys.buffers)
    }

    /// Pictures, normalised: [batch, pictureSize, pictureSize, 3] → [batch, patches, width], row by row.
    package func callAsFunction(_ pictures: Tensor) -> Tensor {
        precondition(
            pictures.shape.dropFirst() == [config.pictureSize, config.pictureSize, config.channels],
            "\(pictures.shape) for pictures of \(config.pictureSize)"
        )
        let embedded = patchEmbedding(pictures, adding: positions.repeated(pictures.shape[0]))
        let hidden = encoder(embedded)
        return postNorm?(hidden) ?? hidden
    }
}

extension SigLIPConfig {
    /// The output that an index into transformers' `hidden_states` means: 0 is the embeddings, −1 the last layer's output,
    /// both without the post-layernorm. Nil where there is no such state.
    package func hiddenState(_ index: Int) -> SigLIP.Output? {
        encoder.layers(behindState: index).map { .hiddenState(layers: $0) }
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
