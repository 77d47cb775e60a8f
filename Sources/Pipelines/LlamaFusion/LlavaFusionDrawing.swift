package import Foundation
import Networks
import Samplers
import Tensors

/// Text (and pictures) → pictures: look at the given pictures, read what stands before the new one in every guidance
/// branch, denoise all pictures of the request as one batch, decode them one by one.
package struct LlavaFusionDrawing: RestorableRun {
    private let model: LlavaFusionModel
    private let request: GenerationRequest
    private var encodings: VisualEncodings
    private(set) var branches: [MultimodalReader]
    private let inputTokens: Int
    private(set) var rendering: FusionRendering

    /// - Parameter guidance: what stands before the marker that opens the picture in every branch, and the branch's weight;
    ///   each branch has either all pictures of the request or none
    init(
        _ model: LlavaFusionModel,
        _ request: GenerationRequest,
        _ schedule: DenoisingSchedule,
        _ guidance: Guidance<MultimodalPrompt>
    ) {
        self.model = model
        self.request = request
        encodings = VisualEncodings(request.images.map(VisualInput.picture), model.base)
        branches = guidance.branches.map { branch in
            var reader = MultimodalReader(branch.condition)
            reader.append(model.boiTokenID)
            return reader
        }
        inputTokens = guidance.branches.map { $0.condition.count + 1 }.max() ?? 0
        rendering = FusionRendering(model.painter, request, schedule, weights: guidance.branches.map(\.weight))
        skipKnown()
    }

    // MARK: Steps

    package var progress: RunProgress {
        let step = encodings.step + branches.reduce(0) { $0 + $1.readCount } + rendering.step
        let steps = encodings.steps + branches.reduce(0) { $0 + $1.sequence.passes.count } + rendering.steps
        return RunProgress(stage: stage, step: step, steps: steps)
    }

    private var stage: RunProgress.Stage {
        // Finished pictures need nothing that stands before them.
        guard rendering.stage == .denoise else { return rendering.stage }
        if !encodings.isFinished { return .encodeImage }
        return branches.allSatisfy(\.isFinished) ? .denoise : .prefill
    }

    package mutating func advance() throws -> RunResult? {
        // Another run may have read the same pictures meanwhile.
        skipKnown()
        switch stage {
        case .encodeImage: try encodings.advance(model.base)
        case .prefill: readPass()
        case .denoise: try rendering.advance(behind: branches.map(\.cache))
        case .decodeLatents: try rendering.advance(behind: [])
        case .decodeToken, .finished: break
        }
        return stage == .finished ? rendering.result(inputTokens: inputTokens) : nil
    }

    private mutating func skipKnown() {
        if !encodings.isFinished, branches.indices.allSatisfy({ branches[$0].skipKnown(model.base) }) {
            encodings = VisualEncodings([], model.base)
        }
    }

    private mutating func readPass() {
        guard let reader = branches.firstIndex(where: { !$0.isFinished }) else { return }
        // Another branch may have read the same pictures.
        branches[reader].skipKnown(model.base)
        _ = branches[reader].readPass(model.base, features: encodings.features)
    }

    // MARK: Continuation

    package func archivedState() throws -> Data {
        try SavedRun.archive(rendering.state, of: .generation(request), model: model.fingerprint)
    }

    /// Continues from a saved state: what stands before the pictures is looked at and read again.
    package mutating func restore(_ data: Data) throws {
        try rendering.restore(SavedRun.restore(data, of: .generation(request), model: model.fingerprint))
    }
}
