import Tensors

/// The rows of one input in the making, part by part.
struct VisualEncoding: Sendable {
    private let input: VisualInput
    private let partCount: Int
    private var parts: [Tensor] = []
    private var computed = 0

    init(_ input: VisualInput, _ model: MultimodalLLM) {
        self.input = input
        partCount = model.front.partCount(of: input)
    }

    /// Steps to go; they may end earlier where the rows are found in the cache.
    var remaining: Int { partCount - computed }

    /// Computes the next part.
    /// - Returns: the rows once they are complete, [rows, width]
    mutating func advance(_ model: MultimodalLLM) throws -> Tensor? {
        if let known = model.features[input] { return known }
        try model.front.compute(part: computed, of: input, behind: &parts)
        computed += 1
        guard computed == partCount else { return nil }
        let rows = model.front.joined(parts, of: input)
        model.features.insert(rows, for: input)
        return rows
    }
}

/// The rows of a prompt's inputs in the making, one after the other.
struct VisualEncodings: Sendable {
    private let inputs: [VisualInput]
    /// Steps that every input takes, or took.
    private var stepCounts: [Int]
    /// Of the input whose turn it is.
    private var current: VisualEncoding?
    /// Rows of the inputs, as far as they are complete: [rows, width] each.
    private(set) var features: [Tensor] = []

    init(_ inputs: [VisualInput], _ model: MultimodalLLM) {
        self.inputs = inputs
        stepCounts = inputs.map(model.front.partCount)
    }

    var isFinished: Bool { features.count == inputs.count }

    /// All steps; fewer once an input turns out to be known.
    var steps: Int { stepCounts.reduce(0, +) }

    /// How many of them are done.
    var step: Int {
        let begun = current.map { stepCounts[features.count] - $0.remaining } ?? 0
        return stepCounts[..<features.count].reduce(begun, +)
    }

    /// Computes the next part, or takes what is known.
    mutating func advance(_ model: MultimodalLLM) throws {
        let index = features.count
        var encoding = current ?? VisualEncoding(inputs[index], model)
        let done = stepCounts[index] - encoding.remaining
        if let rows = try encoding.advance(model) {
            stepCounts[index] = done + 1
            features.append(rows)
            current = nil
        } else {
            current = encoding
        }
    }
}
