package import Foundation
import Images
import Samplers
import Tensors

/// Text (and pictures) → pictures: the language model reads every branch of guidance with the queries behind it, the
/// connector makes a condition of what it says there, and the diffusion model draws from the conditions.
package struct MetaQueryDrawing: RestorableRun {
    private let model: MetaQueryModel
    private let request: GenerationRequest
    private let guidance: Guidance<MetaQueryBranch>
    private let size: PictureSize
    private let schedule: DenoisingSchedule
    /// One for each branch, in their order.
    private(set) var readers: [ConditionReader]
    private(set) var rendering: LatentRendering?

    /// What is saved between two steps. A branch that was half read is read again, in the same passes, and comes to the
    /// same bytes.
    private struct State: Codable {
        /// Of every branch, as latents are saved: bits, not numbers. Empty where it isn't there yet.
        var conditions: [Latents]
        var rendering: LatentRendering.State?
    }

    /// - Throws: `PipelineError.invalidRequest` where a branch is longer than what the language model holds
    init(
        _ model: MetaQueryModel,
        _ request: GenerationRequest,
        _ guidance: Guidance<MetaQueryBranch>,
        size: PictureSize,
        _ schedule: DenoisingSchedule
    ) throws {
        self.model = model
        self.request = request
        self.guidance = guidance
        self.size = size
        self.schedule = schedule
        readers = try guidance.branches.map { try ConditionReader(model, $0.condition) }
        render()
    }

    // MARK: Steps

    package var progress: RunProgress {
        RunProgress(
            stage: rendering?.stage ?? readers.first { !$0.isFinished }?.stage ?? .denoise,
            step: readers.reduce(0) { $0 + $1.step } + (rendering?.step ?? 0),
            steps: readers.reduce(0) { $0 + $1.steps } + schedule.timesteps.count + request.count
        )
    }

    package mutating func advance() throws -> RunResult? {
        if rendering != nil {
            try rendering?.advance()
        } else {
            if let reader = readers.firstIndex(where: { !$0.isFinished }) { try readers[reader].advance() }
            render()
        }
        return rendering?.stage == .finished ? result : nil
    }

    /// Begins to draw once all branches are read.
    private mutating func render() {
        let conditions = readers.compactMap(\.condition)
        guard conditions.count == readers.count else { return }
        let branches = guidance.branches.map(\.condition)
        let places = guidance.map { branch in branches.firstIndex(of: branch) ?? 0 }
        rendering = LatentRendering(
            model.diffusion,
            seeds.map { LatentRendering.Order(seed: $0, guidance: places) },
            size: size,
            schedule,
            conditions: .concatenated(conditions, axis: 0)
        )
    }

    private var seeds: [UInt64] { (0..<request.count).map { request.seed &+ UInt64($0) } }

    private var result: RunResult {
        let pictures = zip(rendering?.state.pictures ?? [], seeds).map { GeneratedPicture(image: $0, seed: $1) }
        // What the language model reads; it writes nothing.
        let input = readers.map(\.tokens).max() ?? 0
        return .pictures(pictures, usage: TokenUsage(inputTokens: input, outputTokens: 0))
    }

    // MARK: Continuation

    package func archivedState() throws -> Data {
        let conditions = readers.map { Latents($0.condition?.array ?? []) }
        let state = State(conditions: conditions, rendering: rendering?.state)
        return try SavedRun.archive(state, of: .generation(request), model: model.fingerprint)
    }

    /// Continues from a saved state.
    package mutating func restore(_ data: Data) throws {
        let saved = try SavedRun<State>.restore(data, of: .generation(request), model: model.fingerprint)
        guard saved.conditions.count == readers.count else {
            throw PipelineError.invalidState(reason: "it has conditions of other branches")
        }
        for (reader, condition) in saved.conditions.enumerated() where !condition.values.isEmpty {
            try readers[reader].restore(condition.values)
        }
        rendering = nil
        render()
        guard let state = saved.rendering else { return }
        guard rendering != nil else {
            throw PipelineError.invalidState(reason: "it draws under conditions that are not there")
        }
        try rendering?.restore(state)
    }
}
