import Foundation
import Pipelines
import Serving
import ServingFakes
import Testing

@Suite struct EngineTests {
    private static func answer(_ question: String, steps: Int) -> RunRequest {
        .answer(AnswerRequest(question: question, maxTokens: steps))
    }

    private static func picture(_ prompt: String, steps: Int) -> RunRequest {
        .generation(GenerationRequest(prompt: prompt, seed: 0, steps: steps))
    }

    /// Starts a run; its last event comes out of the stream.
    private func start(
        _ request: RunRequest,
        on engine: Engine,
        _ pipeline: FakePipeline,
        lane: StepSchedule.Lane,
        id: JobID = .random(),
        deadline: Date? = nil,
        isArchived: Bool = false
    ) throws -> AsyncStream<EngineEvent> {
        let (stream, continuation) = AsyncStream.makeStream(of: EngineEvent.self)
        let run = try pipeline.run(for: request)
        engine.start(
            Execution(id: id, run: run, lane: lane, deadline: deadline, isArchived: isArchived) { event in
                continuation.yield(event)
                switch event {
                case .finished, .failed, .overdue: continuation.finish()
                case .started, .stepped: break
                }
            }
        )
        return stream
    }

    private func last(_ events: AsyncStream<EngineEvent>) async -> EngineEvent? {
        var last: EngineEvent?
        for await event in events { last = event }
        return last
    }

    @Test func answer_overtakesAPictureAtItsNextStep() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let engine = Engine()
        let picture = try start(Self.picture("picture", steps: 3), on: engine, pipeline, lane: .long)
        #expect(await pipeline.gate.arrival() == "picture")
        let answer = try start(Self.answer("answer", steps: 2), on: engine, pipeline, lane: .short)
        pipeline.gate.open()
        guard case .finished(.answer) = await last(answer), case .finished(.pictures) = await last(picture) else {
            Issue.record("not finished")
            return
        }
        #expect(pipeline.steps == ["picture", "answer", "answer", "picture", "picture"])
    }

    @Test func replyThatDraws_letsAnswersOvertake() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let engine = Engine()
        let chat = RunRequest.chat(ChatRequest(turns: [ChatTurn(.user, "draw it")]))
        let reply = try start(chat, on: engine, pipeline, lane: .short)
        #expect(await pipeline.gate.arrival() == "draw it")
        let answer = try start(Self.answer("q", steps: 5), on: engine, pipeline, lane: .short)
        pipeline.gate.open()
        guard case .finished(.answer) = await last(answer), case .finished(.replies) = await last(reply) else {
            Issue.record("not finished")
            return
        }
        // Words take turns with the answer; the picture waits until there is no answer left.
        #expect(pipeline.steps.firstIndex(of: "q") == 2)
        #expect(pipeline.steps.lastIndex(of: "q") == 7)
        #expect(pipeline.steps.count == 10)
    }

    @Test func cancelledRun_takesNoFurtherStep() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let engine = Engine()
        let id = JobID.random()
        _ = try start(Self.picture("first", steps: 100), on: engine, pipeline, lane: .long, id: id)
        _ = await pipeline.gate.arrival()
        engine.cancel(id)
        let other = try start(Self.picture("second", steps: 2), on: engine, pipeline, lane: .long)
        pipeline.gate.open()
        _ = await last(other)
        #expect(pipeline.steps == ["first", "second", "second"])
    }

    @Test func deadline_endsARunBetweenTwoSteps() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let clock = FakeClock()
        let engine = Engine(now: { clock.now })
        let events = try start(
            Self.picture("slow", steps: 100),
            on: engine,
            pipeline,
            lane: .long,
            deadline: clock.now.addingTimeInterval(90)
        )
        for _ in 0..<2 {
            _ = await pipeline.gate.arrival()
            pipeline.gate.admit()
        }
        _ = await pipeline.gate.arrival()
        clock.advance(by: 90)
        pipeline.gate.open()
        guard case .overdue = await last(events) else {
            Issue.record("not overdue")
            return
        }
        #expect(pipeline.steps.count == 3)
    }

    @Test func failingRun_leavesOthersAlone() async throws {
        let pipeline = FakePipeline()
        let engine = Engine()
        let bad = try start(Self.picture("fail", steps: 4), on: engine, pipeline, lane: .long)
        let good = try start(Self.picture("good", steps: 4), on: engine, pipeline, lane: .long)
        guard case .failed(let error) = await last(bad), case .finished = await last(good) else {
            Issue.record("wrong ends")
            return
        }
        #expect(error is FakeFailure)
    }

    @Test func steps_areReportedInOrderWithTheirStage() async throws {
        let pipeline = FakePipeline()
        var steps: [Int] = []
        for await event in try start(Self.answer("q", steps: 3), on: Engine(), pipeline, lane: .short) {
            if case .stepped(let progress, let record, _) = event {
                steps.append(progress.step)
                #expect(record.stage == .decodeToken)
                #expect(record.seconds >= 0)
            }
        }
        #expect(steps == [1, 2, 3])
    }

    @Test func stop_handsOverStatesOfArchivedRunsAfterTheStep() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let engine = Engine()
        let (kept, dropped) = (JobID.random(), JobID.random())
        _ = try start(Self.picture("kept", steps: 9), on: engine, pipeline, lane: .long, id: kept, isArchived: true)
        _ = await pipeline.gate.arrival()
        _ = try start(Self.picture("dropped", steps: 9), on: engine, pipeline, lane: .long, id: dropped)
        let (states, continuation) = AsyncStream.makeStream(of: [JobID: Data].self)
        engine.stop { continuation.yield($0) }
        pipeline.gate.open()
        #expect(await states.first { _ in true } == [kept: Data("1".utf8)])
        #expect(pipeline.steps == ["kept"])
    }
}
