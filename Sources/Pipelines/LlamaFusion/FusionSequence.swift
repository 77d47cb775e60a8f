import Networks
import Tensors

/// Text and pictures in the order in which the model reads them, cut into passes through the network.
///
/// A pass holds tokens of one modality. Where text is cut depends on nothing but the sequence itself, so that the same
/// sequence always has the same bytes, whatever ran beside it.
struct FusionSequence: Equatable, Sendable {
    enum Pass: Equatable, Sendable {
        case tokens([Int])
        /// The clean latents of the run's picture with this index.
        case picture(Int)
    }

    /// Tokens a pass of text may hold: long enough for full speed, short enough for the engine to turn to other runs.
    static let longestPass = 256

    var passes: [Pass] = []

    /// Text behind text goes on in the same pass.
    mutating func append(_ ids: [Int]) {
        var rest = ids[...]
        if case .tokens(let last)? = passes.last, last.count < Self.longestPass {
            let room = rest.prefix(Self.longestPass - last.count)
            passes[passes.count - 1] = .tokens(last + room)
            rest = rest.dropFirst(room.count)
        }
        while !rest.isEmpty {
            passes.append(.tokens(Array(rest.prefix(Self.longestPass))))
            rest = rest.dropFirst(Self.longestPass)
        }
    }

    mutating func append(picture source: Int) {
        passes.append(.picture(source))
    }

    mutating func append(_ other: FusionSequence) {
        for pass in other.passes {
            switch pass {
            case .tokens(let ids): append(ids)
            case .picture(let source): append(picture: source)
            }
        }
    }

    func tokenCount(pictureTokens: Int) -> Int {
        passes.reduce(0) { sum, pass in
            switch pass {
            case .tokens(let ids): sum + ids.count
            case .picture: sum + pictureTokens
            }
        }
    }
}
