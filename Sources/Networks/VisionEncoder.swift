import Checkpoints
package import Tensors

/// What a `vision_config` of transformers says of CLIP's and SigLIP's vision transformers alike.
package struct VisionEncoderConfig: Sendable, Equatable {
    package var width: Int
    package var feedForwardWidth: Int
    package var layers: Int
    package var heads: Int
    package var channels: Int
    /// Pixels a side; pictures are square.
    package var pictureSize: Int
    package var patchSize: Int
    package var activation: Activation
    package var normEpsilon: Double

    /// Patches a side; pixels behind the last whole one are not seen (384 pixels make 27 patches of 14).
    package var gridSize: Int { pictureSize / patchSize }
    package var patches: Int { gridSize * gridSize }

    enum CodingKeys: String, CodingKey {
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

    /// - Parameters:
    ///   - modelType: the only one there may be
    ///   - patchSize: where the file has none, as `normEpsilon`
    ///   - activations: those that are supported by their names in the file, the default first
    init(
        _ config: KeyedDecodingContainer<CodingKeys>,
        _ modelType: String,
        patchSize: Int,
        activations: KeyValuePairs<String, Activation>,
        normEpsilon: Double
    ) throws {
        let type = try config.decodeIfPresent(String.self, forKey: .modelType) ?? modelType
        guard type == modelType else { throw config.invalid(.modelType, "\"\(type)\" is not supported (\(modelType))") }
        width = try config.integer(.width, in: .networkSize, default: 768)
        feedForwardWidth = try config.integer(.feedForwardWidth, in: .networkSize, default: 3072)
        layers = try Self.layers(config)
        heads = try config.integer(.heads, in: .networkSize, default: 12)
        guard width.isMultiple(of: heads) else { throw config.invalid(.heads, "\(heads) does not divide \(width)") }
        channels = try config.integer(.channels, in: 3...3, default: 3)
        // Far above any real one; patches stay countable.
        pictureSize = try config.integer(.pictureSize, in: 1...8192, default: 224)
        self.patchSize = try config.integer(.patchSize, in: 1...pictureSize, default: patchSize)
        let name = try config.decodeIfPresent(String.self, forKey: .activation) ?? activations[0].key
        guard let activation = activations.first(where: { $0.key == name })?.value else {
            let known = activations.map(\.key).joined(separator: ", ")
            throw config.invalid(.activation, "\"\(name)\" is not supported (\(known))")
        }
        self.activation = activation
        self.normEpsilon = try config.number(.normEpsilon, in: 0...1, default: normEpsilon)
    }

    static func layers(_ config: KeyedDecodingContainer<CodingKeys>) throws -> Int {
        try config.integer(.layers, in: 1...1024, default: 12)
    }

    /// How many layers stand behind an entry of transformers' `hidden_states`: 0 is the embeddings, −1 the last layer's
    /// output. Nil where there is no such state.
    package func layers(behindState index: Int) -> Int? {
        if (0...layers).contains(index) { return index }
        // Not by adding first: an index from a file may be any integer.
        return (-(layers + 1)..<0).contains(index) ? layers + 1 + index : nil
    }
}

/// The layers of CLIP's and SigLIP's vision transformers up to the one whose output is wanted. Every patch of a picture
/// sees every other.
struct VisionEncoder: Sendable {
    private let layers: [VisionEncoderLayer]

    /// - Parameters:
    ///   - reader: stands where `encoder` lies; the layers behind the wanted ones stay in the file, there or not
    ///   - count: how many layers are wanted
    init(_ config: VisionEncoderConfig, _ reader: ParameterReader, layers count: Int) {
        precondition((0...config.layers).contains(count), "\(count) of \(config.layers) layers")
        layers = (0..<count).map { VisionEncoderLayer(config, reader["encoder"]["layers"][$0]) }
        Self.discard(reader, layers: count..<config.layers)
    }

    /// Leaves layers unread.
    static func discard(_ reader: ParameterReader, layers: Range<Int>) {
        for layer in layers { VisionEncoderLayer.discard(reader["encoder"]["layers"][layer]) }
    }

    /// [batch, patches, width] → the same shape
    func callAsFunction(_ embedded: Tensor) -> Tensor {
        layers.reduce(embedded) { hidden, layer in layer(hidden) }
    }
}
