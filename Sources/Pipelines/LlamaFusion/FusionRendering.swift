import Images
import Networks
import Samplers

/// Pictures drawn from noise behind what has been read: all of a request are denoised as one batch, then decoded one by
/// one.
struct FusionRendering: Sendable {
    /// What is saved between two steps.
    struct State: Codable, Sendable {
        var drawings: [Drawing]
        /// Finished pictures.
        var pictures: [PixelImage] = []
    }

    private let painter: FusionPainter
    private let seeds: [UInt64]
    private let weights: [Double]
    let schedule: DenoisingSchedule
    private(set) var state: State

    /// - Parameter weights: of the guidance branches
    init(_ painter: FusionPainter, _ request: GenerationRequest, _ schedule: DenoisingSchedule, weights: [Double]) {
        self.painter = painter
        self.schedule = schedule
        self.weights = weights
        seeds = (0..<request.count).map { request.seed &+ UInt64($0) }
        state = State(drawings: seeds.map { Drawing(seed: $0, count: painter.latentCount) })
    }

    // MARK: Steps

    /// Denoise steps and decoded pictures.
    var steps: Int { schedule.timesteps.count + seeds.count }
    /// How many of them are done.
    var step: Int { denoised + state.pictures.count }

    private var denoised: Int { state.drawings[0].stepIndex }

    var stage: RunProgress.Stage {
        if denoised < schedule.timesteps.count { return .denoise }
        return state.pictures.count < seeds.count ? .decodeLatents : .finished
    }

    /// One denoise step of all pictures, or one picture decoded.
    /// - Parameter branches: what stands before the pictures in every guidance branch
    mutating func advance(behind branches: [KeyValueCache]) throws {
        switch stage {
        case .denoise:
            for (picture, noise) in predictNoise(behind: branches).enumerated() {
                try state.drawings[picture].step(schedule, along: noise)
            }
        case .decodeLatents: state.pictures.append(painter.decode(state.drawings[state.pictures.count].latents))
        case .encodeImage, .prefill, .decodeToken, .finished: break
        }
    }

    /// The guided noise in every picture: what the next denoise step takes away.
    func predictNoise(behind branches: [KeyValueCache]) -> [Latents] {
        let predictions = painter.network.predictNoise(
            painter.tensor(state.drawings.map(\.latents)),
            timestep: schedule.timesteps[denoised],
            branches: branches
        )
        let guided = Guidance<Int>.combine(predictions, weights: weights)
        return state.drawings.indices.map { Latents(guided, item: $0) }
    }

    /// The finished pictures.
    /// - Parameter inputTokens: of the longest branch
    func result(inputTokens: Int) -> RunResult {
        let pictures = zip(state.pictures, seeds).map { GeneratedPicture(image: $0, seed: $1) }
        let usage = TokenUsage(inputTokens: inputTokens, outputTokens: pictures.count * painter.tokens)
        return .pictures(pictures, usage: usage)
    }

    // MARK: Continuation

    /// Continues from a saved state.
    /// - Throws: `PipelineError.invalidState` where it can't be one of this rendering.
    mutating func restore(_ saved: State) throws {
        let size = painter.pictureSize
        guard
            saved.drawings.fit(
                count: seeds.count,
                latentCount: painter.latentCount,
                steps: schedule.timesteps.count
            ),
            saved.pictures.count <= seeds.count,
            saved.pictures.allSatisfy({ $0.width == size.width && $0.height == size.height })
        else {
            throw PipelineError.invalidState(reason: "it doesn't fit the request")
        }
        state = saved
    }
}
