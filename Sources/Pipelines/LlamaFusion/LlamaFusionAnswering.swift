package import Foundation
import Networks
import Tensors
import Tokenizers

/// Pictures and text → text: encode the pictures, read the prompt, then one token a step to the end of the reply.
package struct LlamaFusionAnswering: PipelineRun {
    private let model: LlamaFusionModel
    private let request: AnswerRequest
    private let stop: StopStrings
    private let promptPasses: Int
    private let inputTokens: Int
    private(set) var reader: FusionReader
    private(set) var state: State

    /// What is saved between two steps.
    struct State: Codable, Sendable {
        /// Clean latents of the given pictures, as far as they are encoded.
        var sources: [Latents] = []
        /// Generated ids, EOS left out.
        var ids: [Int] = []
        var sampler: TokenSampler
        var finishReason: GeneratedAnswer.FinishReason?
    }

    init(_ model: LlamaFusionModel, _ request: AnswerRequest, prompt: FusionSequence) {
        self.model = model
        self.request = request
        stop = StopStrings(request.stop)
        promptPasses = prompt.passes.count
        inputTokens = model.length(of: prompt)
        reader = FusionReader(prompt, model)
        state = State(sampler: TokenSampler(request.sampling, seed: request.seed))
    }

    // MARK: Steps

    package var progress: RunProgress {
        // The first token comes out of the last pass of the prompt.
        let steps = request.images.count + promptPasses + request.maxTokens - 1
        let step = stage == .finished ? steps : min(steps, state.sources.count + reader.readCount)
        return RunProgress(stage: stage, step: step, steps: steps)
    }

    private var stage: RunProgress.Stage {
        if state.finishReason != nil { return .finished }
        if state.sources.count < request.images.count { return .encodeImage }
        return reader.readCount < promptPasses ? .prefill : .decodeToken
    }

    package mutating func advance() throws -> RunResult? {
        switch stage {
        case .encodeImage: state.sources.append(model.encode(request.images[state.sources.count]))
        case .prefill, .decodeToken: readPass()
        case .denoise, .decodeLatents, .finished: break
        }
        guard let finishReason = state.finishReason else { return nil }
        let answer = GeneratedAnswer(text: text, tokenIDs: state.ids, finishReason: finishReason)
        return .answer(answer, usage: TokenUsage(inputTokens: inputTokens, outputTokens: state.ids.count))
    }

    private mutating func readPass() {
        let hidden = reader.readPass(model, pictures: state.sources)
        guard reader.isFinished, let hidden else { return }
        let rows = hidden.shape[1]
        let last = hidden.reshaped([rows, hidden.shape[2]])[(rows - 1)..<rows].reshaped([1, 1, hidden.shape[2]])
        take(state.sampler.next(model.network.text.logits(last).array))
    }

    private mutating func take(_ id: Int) {
        guard !model.config.eosTokenIDs.contains(id) else {
            state.finishReason = .stop
            return
        }
        state.ids.append(id)
        if !stop.isEmpty, stop.textBeforeStop(in: decoded) != nil {
            state.finishReason = .stop
        } else if state.ids.count == request.maxTokens
            || inputTokens + state.ids.count >= model.config.text.contextLength
        {
            state.finishReason = .length
        } else {
            reader.append([.tokens([id])])
        }
    }

    private var decoded: String { model.tokenizer.decode(state.ids, skipSpecialTokens: true) }

    private var text: String {
        (stop.textBeforeStop(in: decoded) ?? decoded).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    // MARK: Continuation

    package func archivedState() throws -> Data {
        try SavedRun.archive(state, of: .answer(request), model: model.fingerprint)
    }

    /// Continues from a saved state: the prompt and the tokens so far are read again first.
    mutating func restore(_ data: Data) throws {
        let saved = try SavedRun<State>.restore(data, of: .answer(request), model: model.fingerprint)
        guard saved.sources.count <= request.images.count,
            saved.sources.allSatisfy({ $0.values.count == model.latentCount }),
            saved.ids.count <= request.maxTokens,
            saved.ids.allSatisfy({ (0..<model.config.text.vocabularySize).contains($0) })
        else {
            throw PipelineError.invalidState(reason: "it doesn't fit the request")
        }
        state = saved
        reader.append(saved.ids.map { .tokens([$0]) })
    }
}
