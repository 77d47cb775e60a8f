package import Foundation
import Images
import Networks
import Samplers
import Tensors

/// Text (and pictures) → pictures: encode the given pictures, read what stands before the new one in every guidance
/// branch, denoise all pictures of the request as one batch, decode them one by one.
package struct LlamaFusionDrawing: RestorableRun {
    private let model: LlamaFusionModel
    private let request: GenerationRequest
    let schedule: DenoisingSchedule
    private let weights: [Double]
    private(set) var branches: [FusionReader]
    private(set) var state: State

    /// What is saved between two steps.
    struct State: Codable, Sendable {
        /// Clean latents of the given pictures, as far as they are encoded.
        var sources: [Latents] = []
        var drawings: [Drawing]
        /// Finished pictures.
        var pictures: [PixelImage] = []
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
        self.schedule = schedule
        weights = guidance.branches.map(\.weight)
        branches = guidance.branches.map { FusionReader($0.condition, model) }
        state = State(
            drawings: (0..<request.count).map {
                Drawing(seed: Self.seed($0, of: request), count: model.latentCount)
            }
        )
    }

    private static func seed(_ picture: Int, of request: GenerationRequest) -> UInt64 {
        request.seed &+ UInt64(picture)
    }

    // MARK: Steps

    package var progress: RunProgress {
        let step = state.sources.count + branches.reduce(0) { $0 + $1.readCount } + denoised + state.pictures.count
        let steps =
            request.images.count + branches.reduce(0) { $0 + $1.sequence.passes.count } + schedule.timesteps.count
            + request.count
        return RunProgress(stage: stage, step: step, steps: steps)
    }

    private var denoised: Int { state.drawings[0].stepIndex }

    private var stage: RunProgress.Stage {
        if state.sources.count < request.images.count { return .encodeImage }
        if denoised < schedule.timesteps.count { return branches.allSatisfy(\.isFinished) ? .denoise : .prefill }
        return state.pictures.count < request.count ? .decodeLatents : .finished
    }

    package mutating func advance() throws -> RunResult? {
        switch stage {
        case .encodeImage: state.sources.append(model.encode(request.images[state.sources.count]))
        case .prefill: readPass()
        case .denoise: try denoise()
        case .decodeLatents: state.pictures.append(model.decode(state.drawings[state.pictures.count].latents))
        case .decodeToken, .finished: break
        }
        return stage == .finished ? result : nil
    }

    /// One pass, for all branches that begin in the same way.
    private mutating func readPass() {
        guard let reader = branches.firstIndex(where: { !$0.isFinished }) else { return }
        branches[reader].readPass(model, pictures: state.sources)
        for other in branches.indices where other != reader { branches[other].follow(branches[reader]) }
    }

    /// The guided noise in every picture: what the next denoise step takes away.
    func predictNoise() -> [Latents] {
        let predictions = model.network.predictNoise(
            model.tensor(state.drawings.map(\.latents)),
            timestep: schedule.timesteps[denoised],
            branches: branches.map(\.cache)
        )
        let guided = Guidance<FusionSequence>.combine(predictions, weights: weights)
        return state.drawings.indices.map { Latents(guided, item: $0) }
    }

    private mutating func denoise() throws {
        for (picture, noise) in predictNoise().enumerated() {
            try state.drawings[picture].step(schedule, along: noise)
        }
    }

    private var result: RunResult {
        let pictures = state.pictures.enumerated().map { index, image in
            GeneratedPicture(image: image, seed: Self.seed(index, of: request))
        }
        let input = branches.map { model.length(of: $0.sequence) }.max() ?? 0
        let usage = TokenUsage(inputTokens: input, outputTokens: pictures.count * model.config.image.tokens)
        return .pictures(pictures, usage: usage)
    }

    // MARK: Continuation

    package func archivedState() throws -> Data {
        try SavedRun.archive(state, of: .generation(request), model: model.fingerprint)
    }

    /// Continues from a saved state.
    package mutating func restore(_ data: Data) throws {
        let saved = try SavedRun<State>.restore(data, of: .generation(request), model: model.fingerprint)
        let size = model.pictureSize
        guard saved.sources.count <= request.images.count, saved.pictures.count <= request.count,
            saved.sources.allSatisfy({ $0.values.count == model.latentCount }),
            saved.drawings.fit(
                count: request.count,
                latentCount: model.latentCount,
                steps: schedule.timesteps.count
            ),
            saved.pictures.allSatisfy({ $0.width == size.width && $0.height == size.height })
        else {
            throw PipelineError.invalidState(reason: "it doesn't fit the request")
        }
        state = saved
    }
}
