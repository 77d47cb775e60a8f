import Foundation
import Images
import Pipelines
import Serving
import ServingFakes
import Testing

@Suite struct RestartTests {
    private static func submission(_ prompt: String, durable: Bool, steps: Int = 5) -> Submission {
        Submission(
            kind: .generation,
            model: nil,
            request: .generation(GenerationRequest(prompt: prompt, seed: 5, steps: steps)),
            delivery: PictureDelivery(format: .png, quality: 100, form: .base64),
            isDurable: durable
        )
    }

    @Test func durableJob_runsOnFromItsStateAfterAShutdown() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let server = try FakeServer(models: ["fake": pipeline])
        try await server.jobs.start()
        let kept = try await server.jobs.submit(Self.submission("kept", durable: true))
        _ = await pipeline.gate.arrival()
        pipeline.gate.admit(2)
        for _ in 0..<2 { _ = await pipeline.gate.arrival() }
        let lost = try await server.jobs.submit(Self.submission("lost", durable: false))
        let waiting = Task { try await server.jobs.completion(of: lost.id) }
        let stopping = Task { await server.jobs.shutdown(within: 100) }
        while server.jobs.isAccepting { await Task.yield() }
        pipeline.gate.open()
        await stopping.value
        #expect(try await waiting.value?.job.failure?.reason == .serverStopped)
        await #expect(throws: SubmissionError.stopping) {
            try await server.jobs.submit(Self.submission("late", durable: true))
        }

        let next = FakePipeline()
        let restarted = try FakeServer(folder: server.folder, models: ["fake": next])
        try await restarted.jobs.start()
        let finished = try #require(try await restarted.jobs.completion(of: kept.id))
        #expect(finished.job.status == .completed)
        #expect(next.resumed == 1)
        #expect(next.steps.count < 5 && next.steps.allSatisfy { $0 == "kept" })
        #expect(finished.job.timings.stages.map(\.steps) == [5])
        #expect(try await restarted.jobs.view(lost.id)?.job.status == .cancelled)
    }

    @Test func killedServer_losesNoDurableJob() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let server = try FakeServer(models: ["fake": pipeline])
        try await server.jobs.start()
        let running = try await server.jobs.submit(Self.submission("running", durable: true))
        let transient = try await server.jobs.submit(Self.submission("transient", durable: false))
        _ = await pipeline.gate.arrival()
        let promoted = try await server.jobs.submit(Self.submission("promoted", durable: false))
        try await server.jobs.makeDurable(promoted.id)
        let left = try server.killed()
        pipeline.gate.open()

        let restarted = try FakeServer(folder: left)
        try await restarted.jobs.start()
        for id in [running.id, promoted.id] {
            #expect(try await restarted.jobs.completion(of: id)?.job.status == .completed)
        }
        let job = try #require(try await restarted.jobs.view(transient.id)?.job)
        #expect(job.status == .cancelled && job.failure?.reason == .serverStopped)
    }

    @Test func shutdown_doesNotWaitLongerThanItMay() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let server = try FakeServer(models: ["fake": pipeline])
        try await server.jobs.start()
        let job = try await server.jobs.submit(Self.submission("stuck", durable: true))
        _ = await pipeline.gate.arrival()
        await server.jobs.shutdown(within: 0.01)
        pipeline.gate.open()
        let next = FakePipeline()
        let restarted = try FakeServer(folder: server.folder, models: ["fake": next])
        try await restarted.jobs.start()
        #expect(try await restarted.jobs.completion(of: job.id)?.job.status == .completed)
        #expect(next.resumed == 0 && next.steps.count == 5)
    }

    @Test func jobWhoseModelIsGone_failsAfterARestart() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let server = try FakeServer(models: ["fake": pipeline])
        try await server.jobs.start()
        let job = try await server.jobs.submit(Self.submission("x", durable: true))
        let left = try server.killed()
        pipeline.gate.open()
        let restarted = try FakeServer(folder: left, models: ["other": FakePipeline()])
        try await restarted.jobs.start()
        let finished = try #require(try await restarted.jobs.completion(of: job.id))
        #expect(finished.job.status == .failed && finished.job.failure?.reason == .modelUnavailable)
    }
}
