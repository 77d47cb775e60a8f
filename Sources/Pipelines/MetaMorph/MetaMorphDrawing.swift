package import Foundation
import Images

/// Text (and pictures) → pictures: the language model replies up to the end of its first picture, and that is rendered
/// as often as was asked for.
package struct MetaMorphDrawing: RestorableRun {
    private let model: MetaMorphModel
    private let request: GenerationRequest
    private let plan: Visualizer.Plan
    private(set) var decoding: VisualDecoding
    private(set) var rendering: LatentRendering?

    /// What is saved between two steps.
    private struct State: Codable {
        var decoding: VisualDecoding.State
        var rendering: LatentRendering.State?
    }

    init(
        _ model: MetaMorphModel,
        _ request: GenerationRequest,
        _ decoding: VisualDecoding,
        _ plan: Visualizer.Plan
    ) {
        self.model = model
        self.request = request
        self.decoding = decoding
        self.plan = plan
        render()
    }

    package var progress: RunProgress {
        RunProgress(
            stage: rendering?.stage ?? decoding.stage,
            step: decoding.step + (rendering?.step ?? 0),
            steps: decoding.steps + plan.stepCount
        )
    }

    package mutating func advance() throws -> RunResult? {
        if rendering != nil {
            try rendering?.advance()
        } else {
            decoding.advance()
            render()
        }
        return rendering.flatMap(plan.pictures).map { pictures in
            .pictures(pictures.map(marked), usage: decoding.usage)
        }
    }

    /// Begins to render once the language model is done.
    private mutating func render() {
        guard decoding.isFinished, let picture = decoding.transcript.pictures.first else { return }
        rendering = plan.rendering(of: picture.tokens)
    }

    private func marked(_ picture: GeneratedPicture) -> GeneratedPicture {
        var picture = picture
        picture.isForced = decoding.transcript.isForced
        return picture
    }

    // MARK: Continuation

    package func archivedState() throws -> Data {
        let state = State(decoding: decoding.state, rendering: rendering?.state)
        return try SavedRun.archive(state, of: .generation(request), model: model.fingerprint)
    }

    /// Continues from a saved state.
    package mutating func restore(_ data: Data) throws {
        let saved = try SavedRun<State>.restore(data, of: .generation(request), model: model.fingerprint)
        try decoding.restore(saved.decoding)
        rendering = nil
        render()
        guard let rendering = saved.rendering else { return }
        guard self.rendering != nil else {
            throw PipelineError.invalidState(reason: "it renders a picture that nobody wrote")
        }
        try self.rendering?.restore(rendering)
    }
}
