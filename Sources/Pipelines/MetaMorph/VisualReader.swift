import Networks
import Tensors

/// A sequence and how far the language model has read it.
///
/// The cache is not saved: a resumed run reads its sequence again, in the same passes, and comes to the same bytes.
struct VisualReader: Sendable {
    private(set) var sequence: VisualSequence
    private(set) var readCount = 0
    /// One as soon as something is read: the network takes batches.
    private var caches: [KeyValueCache] = []

    init(_ sequence: VisualSequence) {
        self.sequence = sequence
    }

    var isFinished: Bool { readCount == sequence.passes.count }

    /// Gives memory back: nothing will be read any more.
    mutating func finish() {
        caches = []
    }

    mutating func appendPass(_ piece: VisualSequence.Piece) {
        sequence.appendPass(piece)
    }

    /// Reads the next pass.
    /// - Parameters:
    ///   - sources: visual tokens of the prompt's pictures
    ///   - drawn: those of the reply's pictures
    /// - Returns: the last row behind the final norm, [1, 1, width], where it is the sequence's last
    mutating func readPass(_ model: MetaMorphModel, sources: [VisualTokens], drawn: [VisualTokens]) -> Tensor? {
        if caches.isEmpty { caches = [model.config.text.cache(capacity: sequence.count)] }
        let rows = model.rows(of: sequence.passes[readCount], sources: sources, drawn: drawn)
        let hidden = model.network.text(rows, caches: &caches)
        readCount += 1
        return isFinished ? model.network.text.normalized(hidden.lastRow) : nil
    }
}

extension MetaMorphModel {
    /// What the language model reads in one pass: [1, rows, width]
    func rows(of pass: [VisualSequence.Piece], sources: [VisualTokens], drawn: [VisualTokens]) -> Tensor {
        let width = config.visionWidth
        func projected(_ tokens: VisualTokens, _ range: Range<Int>) -> Tensor {
            let tensor = tokens.tensor(width: width)
            let chosen = tensor.reshaped([tensor.shape[1], width])[range]
            return network.project(chosen.reshaped([1, range.count, width]))
        }
        let pieces = pass.map { piece in
            switch piece {
            case .tokens(let ids): network.text.embedded([ids])
            case .source(let index, let range): projected(sources[index], range)
            case .drawn(let index, let token): projected(drawn[index], token..<(token + 1))
            }
        }
        return pieces.count == 1 ? pieces[0] : .concatenated(pieces, axis: 1)
    }
}
