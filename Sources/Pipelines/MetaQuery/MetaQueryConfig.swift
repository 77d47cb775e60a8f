import Checkpoints
import Networks

/// The `config.json` of a MetaQuery checkpoint, as `MetaQuery.save_pretrained` writes it.
///
/// What only training looks at (`loss_type`, `modules_to_freeze`, `noise_scheduler_id`, …) is not read.
struct MetaQueryConfig: Sendable, Equatable, Decodable {
    /// Hub names of the models that it was made of; autoencoder and scheduler are those of the diffusion model.
    var languageModel: String
    var diffusionModel: String
    /// Query tokens.
    var queries: Int
    var connectorLayers: Int
    var connectorOrder: MetaQueryConnectorConfig.Order
    /// Tokens that a caption may have; the rest is cut off.
    var captionLimit: Int
    var systemPrompt: String
    var latentChannels: Int
    /// Latent positions a side of the pictures that it was trained on.
    var latentSize: Int
    /// Pixels a latent position stands for, along each side.
    var downscaling: Int

    /// Rows of the embedding table behind those of the base model: begin, end, and the queries.
    var addedTokens: Int { queries + 2 }

    private enum CodingKeys: String, CodingKey {
        case modelType = "model_type"
        case languageModel = "mllm_id"
        case diffusionModel = "diffusion_model_id"
        case queries = "num_metaqueries"
        case connectorLayers = "connector_num_hidden_layers"
        case connectorOrder = "connector_type"
        case captionLimit = "max_input_text_tokens"
        case systemPrompt = "system_prompt"
        case latentChannels = "in_channels"
        case latentSize = "input_size"
        case downscaling = "vae_downsample_f"
    }

    init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        let type = try config.decode(String.self, forKey: .modelType)
        guard type == "metaquery" else { throw config.invalid(.modelType, "\"\(type)\" is not supported (metaquery)") }
        languageModel = try config.decode(String.self, forKey: .languageModel)
        diffusionModel = try config.decode(String.self, forKey: .diffusionModel)
        queries = try config.integer(.queries, in: 1...(1 << 16))
        connectorLayers = try config.integer(.connectorLayers, in: 1...1024, default: 24)
        let name = try config.decodeIfPresent(String.self, forKey: .connectorOrder) ?? "enc_proj"
        guard let order = MetaQueryConnectorConfig.Order(rawValue: name) else {
            let known = MetaQueryConnectorConfig.Order.allCases.map(\.rawValue).joined(separator: ", ")
            throw config.invalid(.connectorOrder, "\"\(name)\" is not supported (\(known))")
        }
        connectorOrder = order
        captionLimit = try config.integer(.captionLimit, in: 1...(1 << 20), default: 256)
        systemPrompt =
            try config.decodeIfPresent(String.self, forKey: .systemPrompt)
            ?? "You will be given an image or its caption. "
            + "Please describe the content of the image in detail in your own words."
        latentChannels = try config.integer(.latentChannels, in: 1...1024)
        latentSize = try config.integer(.latentSize, in: 1...4096)
        downscaling = try config.integer(.downscaling, in: 1...256)
    }
}
