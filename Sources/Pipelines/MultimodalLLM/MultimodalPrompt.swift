import Networks
import Tokenizers

/// What a reply follows: text and inputs as the language model reads them.
struct MultimodalPrompt: Sendable, Equatable {
    /// Text, and the rows of every input in its place.
    let sequence: VisualSequence
    /// In the order of their indices in the sequence.
    let inputs: [VisualInput]
    /// How many passes of the sequence each input is complete behind: one ends with it, so that what was read up to
    /// there serves every text that follows.
    let inputEnds: [Int]
    /// Of all rows; nil where they stand one behind the other.
    let positions: PromptPositions?
    /// Ids that occur, placeholders included.
    let tokens: Set<Int>

    /// Rows, those of inputs included.
    var count: Int { sequence.count }

    /// - Parameters:
    ///   - ids: with one placeholder for every input
    ///   - inputs: in the order of their placeholders
    ///   - field: what the request calls its pictures
    /// - Throws: `PipelineError.invalidRequest` for an input that the model can't look at, and for another number of
    ///   placeholders.
    init(_ ids: [Int], _ inputs: [VisualInput], _ front: any VisionFront, field: String) throws {
        var sequence = VisualSequence()
        var spans: [PromptSpan] = []
        var inputEnds: [Int] = []
        var (start, index) = (0, 0)
        func endText(at end: Int) {
            guard start < end else { return }
            sequence.append(Array(ids[start..<end]))
            spans.append(.text(end - start))
        }
        for (place, id) in ids.enumerated() where id == front.pictureToken || id == front.videoToken {
            // A tokenizer may make placeholders of ordinary text where they are no special tokens.
            guard index < inputs.count else { throw Self.placeholders(field, than: inputs.count) }
            endText(at: place)
            sequence.append(source: index, tokens: try front.rowCount(of: inputs[index], field: field))
            sequence.endPass()
            inputEnds.append(sequence.passes.count)
            spans.append(.visual(inputs[index]))
            (start, index) = (place + 1, index + 1)
        }
        guard index == inputs.count else { throw Self.placeholders(field, than: inputs.count) }
        endText(at: ids.count)
        self.sequence = sequence
        self.inputs = inputs
        self.inputEnds = inputEnds
        tokens = Set(ids)
        positions = try front.positions(of: spans)
    }

    private static func placeholders(_ field: String, than count: Int) -> PipelineError {
        .invalidRequest(field: field, reason: "reads as another number of pictures than the \(count) that there are")
    }
}

extension MultimodalLLM {
    /// A conversation in the model's own format, with the opening of the reply behind it.
    /// - Parameter field: what the request calls its texts
    /// - Throws: `PipelineError.invalidRequest` for a conversation that the format can't express, for an input that the
    ///   model can't look at, or for more than it holds.
    func prompt(of turns: [ChatTurn], field: String) throws -> MultimodalPrompt {
        var inputs: [VisualInput] = []
        let messages = try turns.map { turn in
            let parts = try turn.arranged(field: field).map { part -> ChatMessage.Part in
                switch part {
                case .text(let text): return .text(text)
                case .picture(let image):
                    inputs.append(.picture(image))
                    return .image
                }
            }
            return ChatMessage(Self.role(turn.role), parts)
        }
        let segments: [PromptSegment]
        do {
            segments = try template.render(
                messages,
                bosToken: tokenizer.configuration.bosToken,
                addGenerationPrompt: true
            )
        } catch let error as TokenizerError {
            throw PipelineError.invalidRequest(field: field, reason: error.description)
        }
        let prompt = try prompt(segments, inputs, field: field)
        guard prompt.count < text.config.contextLength else {
            throw PipelineError.invalidRequest(
                field: field,
                reason: "\(prompt.count) tokens, pictures included; "
                    + "the model holds \(text.config.contextLength) with a reply"
            )
        }
        return prompt
    }

    /// A prompt of any format, as transformers' processors write them: what a format lacks to a sequence, such as its first
    /// token, the tokenizer puts around it. A tokenizer alone trusts the format to be complete.
    /// - Parameter segments: the control segments hold one placeholder for every input
    /// - Throws: `PipelineError.invalidRequest` for an input that the model can't look at.
    func prompt(_ segments: [PromptSegment], _ inputs: [VisualInput], field: String) throws -> MultimodalPrompt {
        try MultimodalPrompt(tokenizer.encode(segments, addSpecialTokens: seesPictures), inputs, front, field: field)
    }

    private static func role(_ role: ChatTurn.Role) -> ChatMessage.Role {
        switch role {
        case .system: .system
        case .user: .user
        case .assistant: .assistant
        }
    }
}
