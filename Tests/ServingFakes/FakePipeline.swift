package import Foundation
import Images
package import Pipelines
import Synchronization

/// A model that computes nothing: pictures of one colour, answers that repeat the question, in as many steps as asked.
///
/// A reply to a conversation is a `FakeReply`. A prompt, question or message of `refuse` is refused as a request, one of
/// `fail` fails in its second step; a picture of `force` says that the model was made to draw it.
package final class FakePipeline: Pipeline {
    package let description: ModelDescription
    /// Steps wait here before they end.
    package let gate: StepGate
    private let journal = Mutex<[String]>([])
    private let resumptions = Mutex(0)

    package init(
        tasks: Set<ModelDescription.Task> = [.generate, .edit, .answer],
        maximumImages: Int = 2,
        weightBytes: Int = 1000,
        gate: StepGate = StepGate(isOpen: true)
    ) {
        self.gate = gate
        let size = PictureSize(width: 16, height: 8)
        description = ModelDescription(
            family: "fake",
            tasks: tasks,
            inputModalities: [.text, .image],
            outputModalities: [.text, .image],
            defaults: GenerationDefaults(steps: 4, guidanceScale: 3, imageGuidanceScale: 1.5, size: size),
            limits: ModelLimits(
                minimumSize: PictureSize(width: 8, height: 8),
                maximumSize: PictureSize(width: 64, height: 64),
                sizeMultiple: 8,
                maximumImages: maximumImages,
                contextLength: 100
            ),
            weightBytes: weightBytes
        )
    }

    /// The prompt or question of every step so far, in the order in which they were computed.
    package var steps: [String] { journal.withLock(\.self) }
    /// How many runs were continued from a state.
    package var resumed: Int { resumptions.withLock(\.self) }

    package func run(for request: RunRequest) throws -> any PipelineRun {
        if case .chat(let request) = request { return try Choices(request, makeReply: makeReply) }
        return try makeRun(request, step: 0)
    }

    package func resume(_ request: RunRequest, from state: Data) throws -> any PipelineRun {
        if case .chat(let request) = request {
            resumptions.withLock { $0 += 1 }
            return try Choices(request, from: state, makeReply: makeReply)
        }
        guard let step = Int(String(decoding: state, as: UTF8.self)) else {
            throw PipelineError.invalidState(reason: "not a step")
        }
        resumptions.withLock { $0 += 1 }
        return try makeRun(request, step: step)
    }

    @Sendable
    private func makeReply(_ request: ChatRequest, state: Data?) throws -> any PipelineRun {
        let text = request.turns.last?.text ?? ""
        guard text != "refuse" else { throw PipelineError.invalidRequest(field: "messages", reason: "too long") }
        let step = state.flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
        return FakeReply(request, step: step) { [self] step in
            compute(text)
            if text == "fail", step == 1 { throw FakeFailure() }
        }
    }

    private func compute(_ text: String) {
        gate.pass(text)
        journal.withLock { $0.append(text) }
    }

    private func makeRun(_ request: RunRequest, step: Int) throws -> FakeRun {
        let (text, steps): (String, Int) =
            switch request {
            case .generation(let request): (request.prompt, request.steps ?? description.defaults.steps)
            case .answer(let request): (request.question, request.maxTokens)
            case .chat: preconditionFailure("a reply is a FakeReply")
            }
        guard text != "refuse" else { throw PipelineError.invalidRequest(field: "size", reason: "too large") }
        return FakeRun(request: request, text: text, step: step, steps: steps) { [self] in compute(text) }
    }
}

/// Something went wrong, as the tests wanted it.
package struct FakeFailure: Error, CustomStringConvertible {
    package init() {}
    package var description: String { "nothing but NaN" }
}

private struct FakeRun: PipelineRun {
    let request: RunRequest
    let text: String
    var step: Int
    let steps: Int
    let compute: @Sendable () -> Void

    var progress: RunProgress {
        let stage: RunProgress.Stage = if case .answer = request { .decodeToken } else { .denoise }
        return RunProgress(stage: step == steps ? .finished : stage, step: step, steps: steps)
    }

    mutating func advance() throws -> RunResult? {
        compute()
        step += 1
        if text == "fail", step == 2 { throw FakeFailure() }
        return step == steps ? result : nil
    }

    func archivedState() throws -> Data { Data(String(step).utf8) }

    private var result: RunResult {
        let usage = TokenUsage(inputTokens: text.utf8.count, outputTokens: steps)
        switch request {
        case .answer:
            let answer = GeneratedAnswer(text: "You asked: \(text)", tokenIDs: [1, 2, 3], finishReason: .stop)
            return .answer(answer, usage: usage)
        case .generation(let request):
            let size = request.size ?? PictureSize(width: 16, height: 8)
            return .pictures(
                (0..<request.count).map { index in
                    let seed = request.seed + UInt64(index)
                    let gray = UInt8(truncatingIfNeeded: seed)
                    let image = PixelImage(
                        width: size.width,
                        height: size.height,
                        color: RGBColor(red: gray, green: 0, blue: 0)
                    )
                    return GeneratedPicture(image: image, seed: seed, isForced: text == "force")
                },
                usage: usage
            )
        case .chat: preconditionFailure("a reply is a FakeReply")
        }
    }
}
