import Networks
import Tensors

/// One branch of guidance on its way to a condition: its pictures are looked at, the language model reads it pass by pass,
/// and behind the last one the connector makes the condition of what became of the queries.
///
/// Finished from the beginning where the model has the condition of the same branch.
struct ConditionReader: Sendable {
    let branch: MetaQueryBranch
    private let model: MetaQueryModel
    private let prompt: MultimodalPrompt
    /// Gone once the condition is there: rows of pictures are large.
    private var encodings: VisualEncodings
    private var encodingSteps = 0
    private var reader: MultimodalReader
    /// Rows of the queries as far as they are read, before the final norm: [rows, width] each
    private var queries: [Tensor] = []
    /// [1, queries, condition width]
    private(set) var condition: Tensor?

    /// - Throws: `PipelineError.invalidRequest`
    init(_ model: MetaQueryModel, _ branch: MetaQueryBranch) throws {
        self.model = model
        self.branch = branch
        prompt = try model.prompt(of: branch)
        encodings = VisualEncodings(prompt.inputs, model.conditioner)
        reader = MultimodalReader(prompt)
        takeKnown()
    }

    // MARK: Progress

    var isFinished: Bool { condition != nil }

    /// Rows that the language model reads.
    var tokens: Int { prompt.count }

    var stage: RunProgress.Stage { encodings.isFinished ? .prefill : .encodeImage }

    var steps: Int { (isFinished ? encodingSteps : encodings.steps) + prompt.sequence.passes.count }

    var step: Int { isFinished ? steps : encodings.step + reader.readCount }

    // MARK: Steps

    /// One step: a part of a picture looked at, or a pass read.
    mutating func advance() throws {
        guard !isFinished else { return }
        // Another branch, or another run, may have made it meanwhile, or a part of it.
        takeKnown()
        guard !isFinished else { return }
        if encodings.isFinished {
            readPass()
        } else {
            try encodings.advance(model.conditioner)
        }
    }

    /// The condition, or what the language model made of the pictures that it begins with.
    private mutating func takeKnown() {
        if let known = model.conditions[branch] {
            finish(known)
        } else if !encodings.isFinished, reader.skipKnown(model.conditioner) {
            encodings = VisualEncodings([], model.conditioner)
        }
    }

    private mutating func readPass() {
        let hidden = reader.readPass(model.conditioner, features: encodings.features)  // [1, rows, width]
        let (rows, width) = (hidden.shape[1], hidden.shape[2])
        // The queries are the last rows of all.
        let wanted = min(rows, reader.readRows - (prompt.count - model.config.queries))
        if wanted > 0 { queries.append(hidden.reshaped([rows, width])[(rows - wanted)..<rows]) }
        guard reader.isFinished else { return }
        let all = Tensor.concatenated(queries, axis: 0).reshaped([1, model.config.queries, width])
        let made = model.connector(model.conditioner.text.normalized(all))
        model.conditions.insert(made, for: branch)
        finish(made)
    }

    /// The condition is there: what it came from is not needed any more.
    private mutating func finish(_ made: Tensor) {
        condition = made
        encodingSteps = encodings.steps
        encodings = VisualEncodings([], model.conditioner)
        queries = []
        reader.finish()
    }

    // MARK: Continuation

    /// Takes a condition over that was saved.
    /// - Throws: `PipelineError.invalidState` where it is not one of this model
    mutating func restore(_ values: [Float]) throws {
        let shape = [1, model.config.queries, model.connector.config.outputWidth]
        guard values.count == shape.reduce(1, *) else {
            throw PipelineError.invalidState(reason: "it has a condition of another size")
        }
        finish(Tensor(values, shape: shape))
    }
}
