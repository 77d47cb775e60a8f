import Foundation
import Images
import Pipelines
import Serving
import ServingFakes
import Testing

@Suite struct JobServiceTests {
    private static func picture(_ prompt: String, steps: Int = 4, count: Int = 1, durable: Bool = false) -> Submission {
        Submission(
            kind: .generation,
            model: nil,
            request: .generation(GenerationRequest(prompt: prompt, count: count, seed: 5, steps: steps)),
            delivery: PictureDelivery(format: .png, quality: 100, form: .base64),
            summary: #"{"prompt":"\#(prompt)"}"#,
            isDurable: durable
        )
    }

    private static func keyed(_ key: String, fingerprint: String) -> Submission {
        var submission = picture("keyed")
        submission.idempotency = IdempotencyKey(key: key, fingerprint: fingerprint)
        return submission
    }

    @Test func job_endsWithItsResultStored() async throws {
        let server = try FakeServer()
        try await server.jobs.start()
        let job = try await server.jobs.submit(Self.picture("cat", count: 2))
        let finished = try #require(try await server.jobs.completion(of: job.id))
        #expect(finished.job.status == .completed)
        #expect(finished.job.progress == RunProgress(stage: .finished, step: 4, steps: 4))
        #expect(finished.job.timings.stages.map(\.steps) == [4])
        #expect(
            finished.job.result
                == .pictures(
                    [PictureRecord(seed: 5, width: 16, height: 8), PictureRecord(seed: 6, width: 16, height: 8)],
                    usage: TokenUsage(inputTokens: 3, outputTokens: 4)
                )
        )
        let limits = ImageLimits(maxPixels: 1000, maxBytes: 10000)
        #expect(try ImageDecoder.decode(finished.pictures[1], limits: limits)[x: 0, y: 0].red == 6)
        #expect(try await server.jobs.finished(job.id) == finished)
        #expect(try await server.jobs.view(job.id)?.job == finished.job)
    }

    @Test func models_areLoadedAtTheStart() async throws {
        let server = try FakeServer(models: ["a": FakePipeline(), "b": FakePipeline()], loadsModels: true)
        try await server.jobs.start()
        _ = try await server.registry.lease("b")  // models are loaded one after the other
        #expect(server.registry.statuses().map(\.state) == [.loaded, .loaded])
    }

    @Test func refusedRequest_becomesNoJob() async throws {
        let server = try FakeServer()
        try await server.jobs.start()
        await #expect(throws: PipelineError.invalidRequest(field: "size", reason: "too large")) {
            try await server.jobs.submit(Self.picture("refuse"))
        }
        #expect(try await server.jobs.jobs(JobQuery()).jobs.isEmpty)
    }

    @Test func failingRun_failsOnlyItsJob() async throws {
        let server = try FakeServer()
        try await server.jobs.start()
        let bad = try await server.jobs.submit(Self.picture("fail"))
        let good = try await server.jobs.submit(Self.picture("good"))
        #expect(try await server.jobs.completion(of: bad.id)?.job.failure?.reason == .runFailed)
        #expect(try await server.jobs.completion(of: good.id)?.job.status == .completed)
    }

    @Test func progress_isObservable() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let server = try FakeServer(models: ["fake": pipeline])
        try await server.jobs.start()
        let job = try await server.jobs.submit(Self.picture("slow", steps: 2))
        _ = await pipeline.gate.arrival()
        let updates = try #require(try await server.jobs.updates(of: job.id))
        var seen: [String] = []
        for await update in updates {
            switch update {
            case .changed(let view):
                seen.append("\(view.job.status) \(view.job.progress?.step ?? -1)")
                #expect(view.etaSeconds != nil || view.job.progress?.step == 0)
                pipeline.gate.admit()
            case .finished(let finished): seen.append("\(finished.job.status)")
            case .interrupted: Issue.record("interrupted")
            }
        }
        #expect(seen.first == "inProgress 0" && seen.last == "completed")
        #expect(seen.contains("inProgress 1"))
    }

    @Test func queue_isBoundedAndPositionsCount() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        var options = JobService.Options()
        options.queueLimit = 2
        var limits = StepSchedule.Limits()
        limits.long = 1
        let server = try FakeServer(models: ["fake": pipeline], options: options, limits: limits)
        try await server.jobs.start()
        let first = try await server.jobs.submit(Self.picture("1"))
        _ = await pipeline.gate.arrival()
        let second = try await server.jobs.submit(Self.picture("2"))
        let third = try await server.jobs.submit(Self.picture("3"))
        await #expect(throws: SubmissionError.queueFull(retryAfterSeconds: 5)) {
            try await server.jobs.submit(Self.picture("4"))
        }
        #expect(try await server.jobs.view(first.id)?.queuePosition == nil)
        #expect(try await server.jobs.view(second.id)?.queuePosition == 1)
        #expect(try await server.jobs.view(third.id)?.queuePosition == 2)
        pipeline.gate.open()
        #expect(try await server.jobs.completion(of: third.id)?.job.status == .completed)
    }

    @Test func pixelsInMemory_areBounded() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        var options = JobService.Options()
        options.pictureBytes = 500
        let server = try FakeServer(models: ["fake": pipeline], options: options)
        try await server.jobs.start()
        var submission = Self.picture("x")
        let image = PixelImage(width: 10, height: 10, color: .white)
        submission.request = .generation(GenerationRequest(prompt: "x", images: [image, image], seed: 0))
        let first = try await server.jobs.submit(submission)
        await #expect(throws: SubmissionError.self) { try await server.jobs.submit(submission) }
        pipeline.gate.open()
        #expect(try await server.jobs.completion(of: first.id)?.job.status == .completed)
        _ = try await server.jobs.submit(submission)
    }

    @Test func cancelledJob_stopsAfterItsStep() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let server = try FakeServer(models: ["fake": pipeline])
        try await server.jobs.start()
        let job = try await server.jobs.submit(Self.picture("long", steps: 1000))
        _ = await pipeline.gate.arrival()
        let cancelled = try #require(try await server.jobs.cancel(job.id))
        #expect(cancelled.status == .cancelled && cancelled.failure?.reason == .cancelled)
        let next = try await server.jobs.submit(Self.picture("next", steps: 1))
        pipeline.gate.open()
        _ = try await server.jobs.completion(of: next.id)
        #expect(pipeline.steps == ["long", "next"])
        #expect(try await server.jobs.cancel(next.id)?.status == .completed)
        #expect(try await server.jobs.cancel(.random()) == nil)
    }

    @Test func deadline_cancelsTheJob() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let server = try FakeServer(models: ["fake": pipeline])
        try await server.jobs.start()
        var submission = Self.picture("slow", steps: 1000)
        submission.cancelAfterSeconds = 90
        let job = try await server.jobs.submit(submission)
        _ = await pipeline.gate.arrival()
        server.clock.advance(by: 91)
        pipeline.gate.open()
        let finished = try #require(try await server.jobs.completion(of: job.id))
        #expect(finished.job.status == .cancelled && finished.job.failure?.reason == .deadlineExceeded)
    }

    @Test func sameKey_findsTheSameJob() async throws {
        let server = try FakeServer()
        try await server.jobs.start()
        let first = try await server.jobs.submit(Self.keyed("k", fingerprint: "a"))
        #expect(try await server.jobs.submit(Self.keyed("k", fingerprint: "a")).id == first.id)
        await #expect(throws: SubmissionError.keyReused(first.id)) {
            try await server.jobs.submit(Self.keyed("k", fingerprint: "b"))
        }
        _ = try await server.jobs.completion(of: first.id)
        #expect(try await server.jobs.submit(Self.keyed("k", fingerprint: "a")).id == first.id)
    }

    @Test func sameKeyManyTimesAtOnce_makesOneJob() async throws {
        let server = try FakeServer()
        try await server.jobs.start()
        let ids = try await withThrowingTaskGroup(of: JobID.self) { group in
            for _ in 0..<20 {
                group.addTask { try await server.jobs.submit(Self.keyed("k", fingerprint: "a")).id }
            }
            return try await group.reduce(into: Set<JobID>()) { $0.insert($1) }
        }
        #expect(ids.count == 1)
    }

    @Test func result_expires() async throws {
        let server = try FakeServer()
        try await server.jobs.start()
        let job = try await server.jobs.submit(Self.keyed("k", fingerprint: "a"))
        _ = try await server.jobs.completion(of: job.id)
        server.clock.advance(by: 24 * 3600 + 1)
        #expect(try await server.jobs.view(job.id)?.job.status == .expired)
        #expect(try await server.jobs.finished(job.id)?.pictures.isEmpty == true)
        let again = try await server.jobs.submit(Self.keyed("k", fingerprint: "other"))
        #expect(again.id != job.id)
        #expect(try await server.jobs.jobs(JobQuery(status: .expired)).jobs.map(\.job.id) == [job.id])
    }

    @Test func completion_waitsOnlyAsLongAsAsked() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let server = try FakeServer(models: ["fake": pipeline])
        try await server.jobs.start()
        let job = try await server.jobs.submit(Self.picture("slow"))
        #expect(try await server.jobs.completion(of: job.id, within: 0.001) == nil)
        pipeline.gate.open()
        #expect(try await server.jobs.completion(of: job.id, within: 1000) != nil)
    }

    @Test func deletedJob_isGone() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let server = try FakeServer(models: ["fake": pipeline])
        try await server.jobs.start()
        let job = try await server.jobs.submit(Self.picture("x"))
        #expect(try await server.jobs.delete(job.id))
        #expect(try await server.jobs.view(job.id) == nil)
        #expect(try await !server.jobs.delete(job.id))
        pipeline.gate.open()
    }
}
