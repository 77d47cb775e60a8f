import Checkpoints
import Networks
import Tensors
import Tokenizers

/// A language model that reads pictures, or text alone: its decoder, what looks at pictures for it, and how conversations
/// with it are written. Immutable but for the cache, shared by all runs; what is built around a frozen model uses the same
/// one.
struct MultimodalLLM: Sendable {
    let text: Llama
    let front: any VisionFront
    let tokenizer: Tokenizer
    let template: ChatTemplate
    /// Each of them ends a reply.
    let endTokens: Set<Int>
    /// Of every reply.
    let repetitionPenalty: RepetitionPenalty
    /// Rows of inputs that were looked at of late.
    let features = FeatureCache()
    /// What prompts began with of late.
    let prefixes: PrefixCache
    let weightBytes: Int
    /// Tells whether a saved run belongs to this model.
    let fingerprint: Fingerprint

    init(
        text: Llama,
        front: any VisionFront,
        tokenizer: Tokenizer,
        template: ChatTemplate,
        endTokens: Set<Int>,
        repetitionPenalty: RepetitionPenalty = .neutral,
        weightBytes: Int,
        fingerprint: Fingerprint
    ) {
        self.text = text
        self.front = front
        self.tokenizer = tokenizer
        self.template = template
        self.endTokens = endTokens
        self.repetitionPenalty = repetitionPenalty
        prefixes = PrefixCache(byteLimit: PrefixCache.byteLimit(besideWeights: weightBytes))
        self.weightBytes = weightBytes
        self.fingerprint = fingerprint
    }

    /// Whether prompts may hold pictures.
    var seesPictures: Bool { front.pictureToken != nil }

    /// The rows of an input, computed at once where they are not known: [rows, width].
    func features(of input: VisualInput) throws -> Tensor {
        var encoding = VisualEncoding(input, self)
        while true {
            if let features = try encoding.advance(self) { return features }
        }
    }
}

/// Rows that were made of inputs, found by the inputs themselves: another question about a picture never looks at it again.
struct FeatureCache: Sendable {
    /// Beside models of gigabytes, 256 MiB are little; they hold the largest picture of LLaVA-OneVision 7B (8,000 rows of
    /// 3,584 numbers) twice, and a hundred small ones.
    static let defaultByteLimit = 256 << 20

    private let features: BoundedCache<VisualInput, Tensor>

    init(byteLimit: Int = FeatureCache.defaultByteLimit) {
        features = BoundedCache(byteLimit: byteLimit) { $0.byteCount + 4 * $1.count + 1024 }
    }

    /// [rows, width]
    subscript(input: VisualInput) -> Tensor? { features[input] }

    func insert(_ rows: Tensor, for input: VisualInput) { features.insert(rows, for: input) }

    var count: Int { features.count }
}
