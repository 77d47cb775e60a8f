import Tensors

/// Visual tokens between two steps: what the vision tower makes of a picture, or what the language model writes.
struct VisualTokens: Codable, Equatable, Sendable {
    /// One token behind the other.
    private(set) var values: [Float] = []

    init() {}

    init(_ tensor: Tensor) {
        values = tensor.array
    }

    mutating func append(_ other: VisualTokens) {
        values += other.values
    }

    /// [1, tokens, width]
    func tensor(width: Int) -> Tensor {
        Tensor(values, shape: [1, values.count / width, width])
    }

    // As latents: bits, not numbers.

    func encode(to encoder: any Encoder) throws { try Latents(values).encode(to: encoder) }

    init(from decoder: any Decoder) throws { values = try Latents(from: decoder).values }
}
