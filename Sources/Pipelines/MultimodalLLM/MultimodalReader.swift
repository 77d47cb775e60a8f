import Networks
import Tensors

/// A prompt, what is written behind it, and how far the language model has read both.
///
/// The cache of keys and values is not saved: a resumed run reads its sequence again, in the same passes, and comes to the
/// same bytes.
struct MultimodalReader: Sendable {
    private let prompt: MultimodalPrompt
    private(set) var sequence: VisualSequence
    /// Passes that have been read.
    private(set) var readCount = 0
    /// Rows of them.
    private(set) var readRows = 0
    /// One as soon as something is read: the network takes batches.
    private var caches: [KeyValueCache] = []

    init(_ prompt: MultimodalPrompt) {
        self.prompt = prompt
        sequence = prompt.sequence
    }

    var isFinished: Bool { readCount == sequence.passes.count }

    /// Keys and values of what has been read, which is something.
    var cache: KeyValueCache { caches[0] }

    /// Adds a token that was written.
    mutating func append(_ id: Int) {
        sequence.appendPass(.tokens([id]))
    }

    /// Gives memory back: nothing will be read any more.
    mutating func finish() {
        caches = []
    }

    /// Skips what the model has read of late: the longest beginning of the prompt that ends with an input and is known.
    /// Nothing happens once reading has begun.
    /// - Returns: whether no input is left to be read
    @discardableResult
    mutating func skipKnown(_ model: MultimodalLLM) -> Bool {
        if readCount == 0, let (count, known) = model.prefixes.longest(of: prompt) {
            caches = [known]
            caches[0].reserve(sequence.count - known.length)
            readCount = count
            readRows = known.length
        }
        return readCount >= prompt.inputEnds.last ?? 0
    }

    /// Reads the next pass.
    /// - Parameter features: rows of the prompt's inputs, [rows, width] each, as far as the pass needs them
    /// - Returns: the rows of the pass before the final norm: [1, rows, width]
    mutating func readPass(_ model: MultimodalLLM, features: [Tensor]) -> Tensor {
        if caches.isEmpty { caches = [model.text.config.cache(capacity: sequence.count)] }
        let pass = sequence.passes[readCount]
        let rows = pass.reduce(0) { $0 + $1.count }
        let hidden = model.text(
            Self.rows(of: pass, model, features),
            positions: positions(of: readRows..<(readRows + rows)),
            caches: &caches
        )
        readCount += 1
        readRows += rows
        if readCount == prompt.inputEnds.last { model.prefixes.insert(cache, for: prompt) }
        return hidden
    }

    /// The prompt's own positions, and behind it one by one. A pass never holds rows of both.
    private func positions(of rows: Range<Int>) -> RotaryPositions? {
        guard let positions = prompt.positions else { return nil }
        guard rows.lowerBound >= prompt.count else { return positions.rows[rows] }
        return RotaryPositions(starts: [positions.next + rows.lowerBound - prompt.count], rows: rows.count)
    }

    /// What the language model reads in one pass: [1, rows, width]
    private static func rows(of pass: [VisualSequence.Piece], _ model: MultimodalLLM, _ features: [Tensor]) -> Tensor {
        let pieces = pass.map { piece -> Tensor in
            switch piece {
            case .tokens(let ids): return model.text.embedded([ids])
            case .source(let index, let range):
                return features[index][range].reshaped([1, range.count, features[index].shape[1]])
            case .drawn: preconditionFailure("a model that draws nothing reads nothing drawn")
            }
        }
        return pieces.count == 1 ? pieces[0] : .concatenated(pieces, axis: 1)
    }
}

extension MultimodalLLM {
    /// What the language model makes of a whole prompt, with nothing kept: [1, rows, width] before the final norm.
    /// - Parameter features: rows of the prompt's inputs, [rows, width] each
    func read(_ prompt: MultimodalPrompt, features: [Tensor]) -> Tensor {
        var reader = MultimodalReader(prompt)
        var passes: [Tensor] = []
        while !reader.isFinished { passes.append(reader.readPass(self, features: features)) }
        return .concatenated(passes, axis: 1)
    }
}
