import Networks
import Tensors

/// A sequence and how far the network has read it.
///
/// The cache is not saved: a resumed run reads its sequence again, in the same passes, and comes to the same bytes.
struct FusionReader: Sendable {
    private(set) var sequence: FusionSequence
    private(set) var readCount = 0
    /// Always one: the network takes batches.
    private var caches: [KeyValueCache]

    init(_ sequence: FusionSequence, _ model: LlamaFusionModel) {
        self.sequence = sequence
        caches = [model.config.text.cache(capacity: model.length(of: sequence))]
    }

    var isFinished: Bool { readCount == sequence.passes.count }

    /// Keys and values of what has been read.
    var cache: KeyValueCache { caches[0] }

    /// Adds passes behind those that are there.
    mutating func append(_ passes: [FusionSequence.Pass]) {
        sequence.passes += passes
    }

    /// Reads the next pass.
    /// - Parameter pictures: clean latents of the run's pictures
    /// - Returns: for text, what came out of the decoder: [1, rows, width]
    @discardableResult
    mutating func readPass(_ model: LlamaFusionModel, pictures: [Latents]) -> Tensor? {
        defer { readCount += 1 }
        switch sequence.passes[readCount] {
        case .tokens(let ids):
            return model.network.text([ids], caches: &caches)
        case .picture(let source):
            model.network.read(model.painter.tensor([pictures[source]]), caches: &caches)
            return nil
        }
    }

    /// Takes over what another reader has just read, where both sequences begin with the same passes.
    mutating func follow(_ other: FusionReader) {
        guard readCount == other.readCount - 1,
            sequence.passes.prefix(other.readCount) == other.sequence.passes.prefix(other.readCount)
        else { return }
        caches = other.caches
        readCount = other.readCount
    }
}
