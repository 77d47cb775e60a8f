package import Checkpoints
import Foundation
package import Tensors

/// The `config.json` of a MetaMorph checkpoint (`metamorph_llama`): a Llama's, and how the model reads and writes pictures.
///
/// Keys that only training looks at (`vision_coef`, `freeze_vision`, …) are not read. `mm_use_im_patch_token` is not
/// either: that token is never part of a sequence.
package struct MetaMorphConfig: Sendable, Equatable, Decodable {
    /// From visual tokens to the rows of the language model.
    package enum Projector: Sendable, Equatable {
        case linear
        /// That many linear layers with GELU between them (`mlp2x_gelu`, …).
        case perceptron(layers: Int)
        /// Two linear layers with softmax between them (`mlpsoftmax`).
        case softmax
        case identity
    }

    package var text: LlamaConfig
    /// Components of a visual token: the width of the vision tower.
    package var visionWidth: Int
    package var projector: Projector
    /// Linear layers of the vision head, with GELU between them.
    package var visionHeadLayers: Int
    /// Visual tokens a picture.
    package var visualTokens: Int
    /// Whether a tower with another number of patches is interpolated to `visualTokens`.
    package var interpolates: Bool
    /// The tower's state that is read, as transformers counts `hidden_states`.
    package var selectedLayer: Int
    /// Whether visual tokens, read and written, have length 1.
    package var normalizesVisualTokens: Bool
    /// Whether pictures are padded to squares; else they are stretched.
    package var padsPictures: Bool
    /// Tokens that a prompt may have, its pictures included; nil means no limit but the model's own.
    package var promptLimit: Int?

    private enum CodingKeys: String, CodingKey {
        case modelType = "model_type"
        case width = "hidden_size"
        case visionWidth = "mm_hidden_size"
        case projector = "mm_projector_type"
        case visionHead = "vision_head_type"
        case visualTokens = "num_image_tokens"
        case reduction = "image_token_reduction"
        case selectedLayer = "mm_vision_select_layer"
        case selectedFeature = "mm_vision_select_feature"
        case normalizesVisualTokens = "normalize_vision"
        case appliesSoftmax = "apply_softmax"
        case aspectRatio = "image_aspect_ratio"
        case mergeType = "mm_patch_merge_type"
        case usesMarkers = "mm_use_im_start_end"
        case promptLimit = "tokenizer_model_max_length"
    }

    package init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        try config.require(.modelType, in: ["metamorph_llama"])
        text = try LlamaConfig(from: decoder)
        visionWidth = try config.integer(.visionWidth, in: .networkSize)
        projector = try Self.projector(config)
        visionHeadLayers = try Self.visionHeadLayers(config)
        if projector == .identity, visionWidth != text.width {
            throw config.invalid(.projector, "\"identity\" needs mm_hidden_size and hidden_size to be equal")
        }
        visualTokens = try config.integer(.visualTokens, in: 1...(1 << 16), default: 256)
        interpolates = try config.require(.reduction, in: ["none", "interpolation"], default: "none") != "none"
        selectedLayer = try config.integer(.selectedLayer, in: -1025...1024, default: -2)
        try config.require(.selectedFeature, in: ["patch", "cls_patch"], default: "patch")
        normalizesVisualTokens = try config.decodeIfPresent(Bool.self, forKey: .normalizesVisualTokens) ?? false
        guard try config.decodeIfPresent(Bool.self, forKey: .appliesSoftmax) != true else {
            throw config.invalid(.appliesSoftmax, "true is not supported")
        }
        padsPictures = try config.require(.aspectRatio, in: ["square", "pad"], default: "square") == "pad"
        try config.require(.mergeType, in: ["flat"], default: "flat")
        guard try config.decodeIfPresent(Bool.self, forKey: .usesMarkers) ?? false else {
            throw config.invalid(.usesMarkers, "false is not supported: without markers the model can't draw")
        }
        promptLimit =
            try config.holds(.promptLimit) ? config.integer(.promptLimit, in: 1...(1 << 30)) : nil
    }

    private static func projector(_ config: KeyedDecodingContainer<CodingKeys>) throws -> Projector {
        let name = try config.decodeIfPresent(String.self, forKey: .projector) ?? "linear"
        switch name {
        case "linear": return .linear
        case "mlpsoftmax": return .softmax
        case "identity": return .identity
        default:
            guard name.hasPrefix("mlp"), name.hasSuffix("x_gelu"), let layers = Int(name.dropFirst(3).dropLast(6)),
                (1...64).contains(layers)
            else {
                let known = "linear, mlp1x_gelu … mlp64x_gelu, mlpsoftmax, identity"
                throw config.invalid(.projector, "\"\(name)\" is not supported (\(known))")
            }
            return .perceptron(layers: layers)
        }
    }

    /// Any name but the known ones means the plain head, as in the official code.
    private static func visionHeadLayers(_ config: KeyedDecodingContainer<CodingKeys>) throws -> Int {
        switch try config.decodeIfPresent(String.self, forKey: .visionHead) {
        case "mlp": return 2
        case "mlp2x_gelu": return 3
        case "linear":
            // Its output is as wide as the language model, and the projector reads it.
            guard try config.integer(.width, in: .networkSize) == config.integer(.visionWidth, in: .networkSize) else {
                throw config.invalid(.visionHead, "\"linear\" needs mm_hidden_size and hidden_size to be equal")
            }
            return 1
        default: return 1
        }
    }
}

extension KeyedDecodingContainer {
    /// A name out of a few.
    @discardableResult
    fileprivate func require(_ key: Key, in known: [String], default value: String? = nil) throws -> String {
        let name =
            try value.map { try decodeIfPresent(String.self, forKey: key) ?? $0 } ?? decode(String.self, forKey: key)
        guard known.contains(name) else {
            throw invalid(key, "\"\(name)\" is not supported (\(known.joined(separator: ", ")))")
        }
        return name
    }
}

/// MetaMorph (arXiv 2412.14164): a Llama that reads visual tokens through a projector, and writes them through a vision
/// head whose output it reads again.
package struct MetaMorph: Sendable {
    package let config: MetaMorphConfig
    package let text: Llama
    private let projector: Projector
    private let visionHead: Perceptron

    package static let keys = Llama.keys

    /// - Parameter tower: the vision tower, whose copy beside the weights stays unread, as in the official loader; nil
    ///   where there is none
    package init(_ config: MetaMorphConfig, _ reader: ParameterReader, tower: SigLIPConfig?) {
        let model = reader["model"]
        self.config = config
        text = Llama(config.text, reader)
        projector = Projector(config, model["mm_projector"])
        visionHead = Perceptron(
            reader["vision_head"],
            config.text.width,
            width: config.text.width,
            config.visionWidth,
            layers: config.visionHeadLayers,
            isSequence: config.visionHeadLayers > 1
        )
        if let tower { SigLIP.discard(tower, model["vision_tower"]["vision_tower"]) }
        // Left over from an experiment: nothing in the official code reads it.
        model["vision_proj"].discard("weight")
        model["vision_proj"].discard("bias")
    }

    /// Visual tokens as the language model reads them: [batch, tokens, visionWidth] → [batch, tokens, width]
    package func project(_ visualTokens: Tensor) -> Tensor { projector(visualTokens) }

    /// The visual tokens that follow: [batch, rows, width] after the final norm → [batch, rows, visionWidth]
    package func drawVisualTokens(after normalized: Tensor) -> Tensor {
        let drawn = visionHead(normalized)
        return config.normalizesVisualTokens ? drawn.l2Normalized() : drawn
    }
}

/// From visual tokens to rows of the language model.
private enum Projector: Sendable {
    case perceptron(Perceptron)
    case softmax(Linear, Linear)
    case identity

    init(_ config: MetaMorphConfig, _ reader: ParameterReader) {
        let (inputs, width) = (config.visionWidth, config.text.width)
        switch config.projector {
        case .linear:
            self = .perceptron(Perceptron(reader, inputs, width: width, width, layers: 1, isSequence: false))
        case .perceptron(let layers):
            self = .perceptron(Perceptron(reader, inputs, width: width, width, layers: layers, isSequence: true))
        case .softmax: self = .softmax(Linear(reader[0], inputs, width), Linear(reader[2], width, width))
        case .identity: self = .identity
        }
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        switch self {
        case .perceptron(let layers): layers(x)
        case .softmax(let first, let second): second(first(x).softmax())
        case .identity: x
        }
    }
}

/// Linear layers with GELU between them.
private struct Perceptron: Sendable {
    private let hidden: [Linear]
    private let output: Linear

    /// - Parameter isSequence: whether the layers stand at the even places of an `nn.Sequential`; else there is only one
    init(_ reader: ParameterReader, _ inputs: Int, width: Int, _ outputs: Int, layers: Int, isSequence: Bool) {
        hidden = (0..<(layers - 1)).map { Linear(reader[2 * $0], $0 == 0 ? inputs : width, width) }
        let last = isSequence ? reader[2 * (layers - 1)] : reader
        output = Linear(last, layers == 1 ? inputs : width, outputs)
    }

    /// [batch, rows, inputs] → [batch, rows, outputs]
    func callAsFunction(_ x: Tensor) -> Tensor {
        output(hidden.reduce(x) { x, layer in layer(x, activation: .gelu) })
    }
}

extension Tensor {
    /// Softmax over the last dimension. No published checkpoint has this projector: the loop need not be fast.
    fileprivate func softmax() -> Tensor {
        let width = shape[shape.count - 1]
        var result = self
        result.withUnsafeMutableBufferPointer { values in
            for start in stride(from: 0, to: values.count, by: width) {
                let row = start..<(start + width)
                let peak = row.reduce(-Float.infinity) { max($0, values[$1]) }
                for index in row { values[index] = exp(values[index] - peak) }
                let sum = row.reduce(0) { $0 + values[$1] }
                for index in row { values[index] /= sum }
            }
        }
        return result
    }
}
