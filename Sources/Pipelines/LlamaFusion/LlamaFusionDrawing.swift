package import Foundation
import Images
import Networks
import Samplers

/// Text (and pictures) → pictures: encode the given pictures, read what stands before the new one in every guidance
/// branch, denoise all pictures of the request as one batch, decode them one by one.
package struct LlamaFusionDrawing: RestorableRun {
    private let model: LlamaFusionModel
    private let request: GenerationRequest
    private(set) var branches: [FusionReader]
    /// Clean latents of the given pictures, as far as they are encoded.
    private(set) var sources: [Latents] = []
    private(set) var rendering: FusionRendering

    /// What is saved between two steps.
    private struct State: Codable {
        var sources: [Latents]
        var rendering: FusionRendering.State
    }

    /// - Parameter guidance: what stands before the picture in every branch, and the branch's weight
    init(
        _ model: LlamaFusionModel,
        _ request: GenerationRequest,
        _ schedule: DenoisingSchedule,
        _ guidance: Guidance<FusionSequence>
    ) {
        self.model = model
        self.request = request
        branches = guidance.branches.map { FusionReader($0.condition, model) }
        rendering = FusionRendering(model.painter, request, schedule, weights: guidance.branches.map(\.weight))
    }

    // MARK: Steps

    package var progress: RunProgress {
        let step = sources.count + branches.reduce(0) { $0 + $1.readCount } + rendering.step
        let steps =
            request.images.count + branches.reduce(0) { $0 + $1.sequence.passes.count } + rendering.steps
        return RunProgress(stage: stage, step: step, steps: steps)
    }

    private var stage: RunProgress.Stage {
        if sources.count < request.images.count { return .encodeImage }
        // Finished pictures need nothing that stands before them.
        return rendering.stage == .denoise && !branches.allSatisfy(\.isFinished) ? .prefill : rendering.stage
    }

    package mutating func advance() throws -> RunResult? {
        switch stage {
        case .encodeImage: sources.append(model.painter.encode(request.images[sources.count]))
        case .prefill: readPass()
        case .denoise, .decodeLatents: try rendering.advance(behind: branches.map(\.cache))
        case .decodeToken, .finished: break
        }
        guard stage == .finished else { return nil }
        return rendering.result(inputTokens: branches.map { model.length(of: $0.sequence) }.max() ?? 0)
    }

    /// One pass, for all branches that begin in the same way.
    private mutating func readPass() {
        guard let reader = branches.firstIndex(where: { !$0.isFinished }) else { return }
        branches[reader].readPass(model, pictures: sources)
        for other in branches.indices where other != reader { branches[other].follow(branches[reader]) }
    }

    // MARK: Continuation

    package func archivedState() throws -> Data {
        let state = State(sources: sources, rendering: rendering.state)
        return try SavedRun.archive(state, of: .generation(request), model: model.fingerprint)
    }

    /// Continues from a saved state.
    package mutating func restore(_ data: Data) throws {
        let saved = try SavedRun<State>.restore(data, of: .generation(request), model: model.fingerprint)
        guard saved.sources.count <= request.images.count,
            saved.sources.allSatisfy({ $0.values.count == model.painter.latentCount })
        else {
            throw PipelineError.invalidState(reason: "it doesn't fit the request")
        }
        try rendering.restore(saved.rendering)
        sources = saved.sources
    }
}
