import Images
import Samplers
import Tensors

/// Pictures drawn from noise under given conditions: all of them are denoised as one batch, then decoded one by one.
///
/// Where the conditions come from is its owner's business, and so is saving them: only `state` is needed to go on.
struct LatentRendering: Sendable {
    /// One picture to draw.
    struct Order: Sendable {
        /// What `torch.Generator().manual_seed(seed)` takes.
        var seed: UInt64
        /// The conditions, by their place among those of the rendering.
        var guidance: Guidance<Int>
    }

    /// What is saved between two steps.
    struct State: Codable, Sendable {
        var drawings: [Drawing]
        /// Finished pictures.
        var pictures: [PixelImage] = []
    }

    private let model: any LatentDiffusion
    private let size: PictureSize
    private let orders: [Order]
    /// With one condition for every picture and branch: the rows of a denoise step.
    private let denoiser: Denoiser
    let schedule: DenoisingSchedule
    private(set) var state: State

    /// - Parameters:
    ///   - orders: at least one
    ///   - size: multiples of the model's `sizeMultiple`
    ///   - conditions: those that the orders name, [conditions, tokens, width]
    init(
        _ model: any LatentDiffusion,
        _ orders: [Order],
        size: PictureSize,
        _ schedule: DenoisingSchedule,
        conditions: Tensor
    ) {
        precondition(!orders.isEmpty, "nothing to draw")
        let multiple = model.sizeMultiple
        precondition(
            [size.width, size.height].allSatisfy { $0 > 0 && $0.isMultiple(of: multiple) },
            "\(size) for multiples of \(multiple)"
        )
        self.model = model
        self.size = size
        self.orders = orders
        denoiser = model.denoiser(
            reading: conditions,
            rows: orders.flatMap { $0.guidance.branches.map(\.condition) }
        )
        self.schedule = schedule
        state = State(drawings: orders.map { Drawing(seed: $0.seed, count: model.latentCount(of: size)) })
    }

    // MARK: Steps

    /// Denoise steps and decoded pictures.
    var steps: Int { schedule.timesteps.count + orders.count }
    /// How many of them are done.
    var step: Int { denoised + state.pictures.count }

    var stage: RunProgress.Stage {
        if denoised < schedule.timesteps.count { return .denoise }
        return state.pictures.count < orders.count ? .decodeLatents : .finished
    }

    private var denoised: Int { state.drawings[0].stepIndex }

    /// One denoise step of all pictures, or one picture decoded.
    /// - Throws: `SchedulerError.mismatchedState` where a restored state belongs to another schedule.
    mutating func advance() throws {
        switch stage {
        case .denoise:
            for (picture, prediction) in combined(predictBranches()).enumerated() {
                try state.drawings[picture].step(schedule, along: prediction)
            }
        case .decodeLatents:
            state.pictures.append(model.decode(state.drawings[state.pictures.count].latents, size))
        case .encodeImage, .prefill, .decodeToken, .finished: break
        }
    }

    /// What the network makes of every picture in every branch: [rows, height, width, channels]
    func predictBranches() -> Tensor {
        let rows = zip(state.drawings, orders).flatMap { drawing, order in
            Array(repeating: drawing.latents, count: order.guidance.branches.count)
        }
        return denoiser(model.tensor(rows, size), schedule.timesteps[denoised])
    }

    /// The guided prediction of every picture.
    private func combined(_ predictions: Tensor) -> [Latents] {
        var row = 0
        return orders.map { order in
            let branches = order.guidance.branches
            defer { row += branches.count }
            let guided = Guidance<Int>.combine(
                branches.indices.map { predictions[row + $0..<row + $0 + 1] },
                weights: branches.map(\.weight)
            )
            return Latents(guided, item: 0)
        }
    }

    // MARK: Continuation

    /// Continues from a saved state.
    /// - Throws: `PipelineError.invalidState` where it can't be one of this rendering.
    mutating func restore(_ saved: State) throws {
        let latentCount = model.latentCount(of: size)
        guard
            saved.drawings.fit(count: orders.count, latentCount: latentCount, steps: schedule.timesteps.count),
            saved.pictures.count <= orders.count,
            saved.pictures.allSatisfy({ $0.width == size.width && $0.height == size.height })
        else {
            throw PipelineError.invalidState(reason: "it doesn't fit the pictures to draw")
        }
        state = saved
    }
}
