import Images
import Pipelines

/// A loaded model, stage by stage: the seconds of one step of each.
struct ModelBench {
    let pipeline: any Pipeline

    /// - Throws: `CommandFailure` where the model refuses its own defaults.
    func measure(runs: Int) throws -> [Measurement] {
        var requests: [RunRequest] = []
        let description = pipeline.description
        let tasks = description.tasks
        if tasks.contains(.generate) {
            requests.append(.generation(GenerationRequest(prompt: "a large red circle", seed: 0)))
        }
        if tasks.contains(.answer) {
            // A model that only answers has no size of its own.
            let size = description.draws ? description.defaults.size : PictureSize(width: 384, height: 384)
            let seesImages = description.inputModalities.contains(.image)
            let gray = PixelImage(
                width: size.width,
                height: size.height,
                pixels: Array(repeating: 128, count: 3 * size.width * size.height)
            )
            requests.append(
                .answer(AnswerRequest(question: "What is this?", images: seesImages ? [gray] : [], maxTokens: 16))
            )
        }
        return try requests.flatMap { try stages(of: $0, runs: runs) }
    }

    private func stages(of request: RunRequest, runs: Int) throws -> [Measurement] {
        var samples: [RunProgress.Stage: [Double]] = [:]
        do {
            for _ in 0..<runs {
                var run = try pipeline.run(for: request)
                var isFinished = false
                while !isFinished {
                    let stage = run.progress.stage
                    let clock = ContinuousClock()
                    let start = clock.now
                    isFinished = try run.advance() != nil
                    samples[stage, default: []].append(start.duration(to: clock.now).seconds)
                }
            }
        } catch {
            throw CommandFailure("\(error)")
        }
        return RunProgress.Stage.allCases.compactMap { stage in
            samples[stage].map {
                Measurement(
                    name: stage.rawValue,
                    samples: $0,
                    tokens: stage == .decodeToken ? 1 : nil,
                    weightBytes: pipeline.description.weightBytes
                )
            }
        }
    }
}
