import Samplers

/// One picture on its way from noise.
struct Drawing: Codable, Sendable {
    private(set) var latents: Latents
    private var denoising = DenoisingState()
    private var generator: TorchGenerator

    /// Noise as `torch.randn` draws it from this seed: `count` latent values.
    init(seed: UInt64, count: Int) {
        generator = TorchGenerator(seed: seed)
        latents = Latents(generator.randn(count))
    }

    /// Steps of its schedule that are done.
    var stepIndex: Int { denoising.stepIndex }

    /// One step along what the network predicts.
    /// - Throws: `SchedulerError.mismatchedState` where the drawing belongs to another schedule.
    mutating func step(_ schedule: DenoisingSchedule, along prediction: Latents) throws {
        latents.values = try schedule.step(
            modelOutput: prediction.values,
            sample: latents.values,
            state: &denoising,
            noise: &generator
        )
    }
}

extension [Drawing] {
    /// Whether these can be the drawings of one run: so many, of this size, all at the same of `steps` steps.
    func fit(count expected: Int, latentCount: Int, steps: Int) -> Bool {
        count == expected
            && allSatisfy { drawing in
                drawing.latents.values.count == latentCount && (0...steps).contains(drawing.stepIndex)
                    && drawing.stepIndex == self[0].stepIndex
            }
    }
}
