import Foundation
import Logging
import Pipelines
import Serving
import ServingFakes
import Synchronization
import Testing

@Suite struct ModelRegistryTests {
    private let clock = FakeClock()
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func entry(_ name: String, family: String = "fake") -> ConfiguredModel {
        .entry(ModelEntry(name: name, family: family, path: URL(filePath: "/nowhere")))
    }

    private func registry(
        _ models: [ConfiguredModel],
        budget: Int = .max,
        check: @escaping @Sendable (String) -> [String] = { _ in [] },
        load: @escaping @Sendable (String) throws -> FakePipeline
    ) -> ModelRegistry {
        let family = ModelFamily(
            name: "fake",
            load: { try load($0.name) },
            check: { CheckReport(problems: check($0.name), summary: [], parameterCount: 1, weightBytes: 1000) }
        )
        return ModelRegistry(
            models: models,
            families: [family],
            budgetBytes: budget,
            logger: logger,
            now: { [clock] in clock.now }
        )
    }

    private func states(_ registry: ModelRegistry) -> [ModelStatus.State] { registry.statuses().map(\.state) }

    @Test func model_isLoadedOnFirstUseAndOnce() async throws {
        let loads = Mutex(0)
        let registry = registry([entry("a")]) { _ in
            loads.withLock { $0 += 1 }
            return FakePipeline()
        }
        #expect(states(registry) == [.unloaded])
        async let first = registry.lease("a")
        async let second = registry.lease("a")
        _ = try await (first, second)
        #expect(loads.withLock(\.self) == 1)
        #expect(states(registry) == [.loaded])
        #expect(registry.status(of: "a")?.description?.family == "fake")
    }

    @Test func unknownModel_isAnError() async {
        let registry = registry([]) { _ in FakePipeline() }
        await #expect(throws: ModelError.unknown(name: "x")) { try await registry.lease("x") }
        await #expect(throws: ModelError.noneFor(.answer, reasons: [])) { try await registry.lease(nil, for: .answer) }
    }

    @Test func brokenModels_areReportedAndStopNoOther() async throws {
        let registry = registry(
            [
                .invalid(name: "bad", family: nil, reason: "path is missing"), entry("odd", family: "other"),
                entry("c"), entry("ok"),
            ],
            check: { $0 == "c" ? ["model.safetensors: no such file", "config.json: no such file"] : [] }
        ) { _ in FakePipeline() }
        registry.inspect(loading: true)
        let lease = try await registry.lease(nil, for: .generate)
        #expect(lease.name == "ok")
        #expect(states(registry) == [.failed, .failed, .failed, .loaded])
        #expect(registry.status(of: "bad")?.reason == "path is missing")
        #expect(registry.status(of: "odd")?.reason?.contains("family other") == true)
        await #expect(
            throws: ModelError.unavailable(
                name: "c",
                reason: "model.safetensors: no such file; config.json: no such file"
            )
        ) { try await registry.lease("c") }
    }

    @Test func failedModel_isTriedAgainAfterAWhile() async throws {
        let attempts = Mutex(0)
        let registry = registry([entry("a")]) { _ in
            let attempt = attempts.withLock { count in
                count += 1
                return count
            }
            if attempt == 1 { throw FakeFailure() }
            return FakePipeline()
        }
        let failure = ModelError.unavailable(name: "a", reason: "nothing but NaN")
        await #expect(throws: failure) { try await registry.lease("a") }
        await #expect(throws: failure) { try await registry.lease("a") }
        #expect(attempts.withLock(\.self) == 1)
        clock.advance(by: ModelRegistry.retrySeconds)
        _ = try await registry.lease("a")
        #expect(states(registry) == [.loaded])
    }

    @Test func firstModelWithTheTask_isTaken() async throws {
        let registry = registry([entry("text"), entry("draw")]) { name in
            FakePipeline(tasks: name == "text" ? [.answer] : [.generate])
        }
        #expect(try await registry.lease(nil, for: .generate).name == "draw")
        #expect(try await registry.lease(nil, for: .answer).name == "text")
        await #expect(throws: ModelError.wrongTask(name: "text", .generate)) {
            try await registry.lease("text", for: .generate)
        }
        await #expect(throws: ModelError.noneFor(.edit, reasons: [])) { try await registry.lease(nil, for: .edit) }
    }

    @Test func firstModelThatReadsThePictures_isTaken() async throws {
        let registry = registry([entry("text"), entry("two"), entry("four")]) { name in
            FakePipeline(maximumImages: ["text": 0, "two": 2][name] ?? 4)
        }
        for (pictures, name) in [(0, "text"), (1, "two"), (3, "four"), (5, "text")] {
            #expect(try await registry.lease(nil, for: .answer, pictures: pictures).name == name)
        }
        #expect(try await registry.lease("text", for: .answer, pictures: 1).name == "text")
    }

    @Test func idleModelUsedLeastRecently_makesRoom() async throws {
        let registry = registry([entry("a"), entry("b"), entry("c")], budget: 2000) { _ in FakePipeline() }
        let first = try await registry.lease("a")
        clock.advance(by: 1)
        _ = try await registry.lease("b")
        _ = try await registry.lease("c")
        #expect(states(registry) == [.loaded, .unloaded, .loaded])
        _ = try await registry.lease("b")
        #expect(states(registry) == [.loaded, .loaded, .unloaded])
        _ = first.name
    }

    @Test func busyModels_stayLoadedBeyondTheBudget() async throws {
        let registry = registry([entry("a"), entry("b")], budget: 1) { _ in FakePipeline() }
        let first = try await registry.lease("a")
        let second = try await registry.lease("b")
        #expect(states(registry) == [.loaded, .loaded])
        _ = (first.name, second.name)
    }

    @Test func steps_areAveragedByStage() {
        let registry = registry([entry("a")]) { _ in FakePipeline() }
        registry.record(StepRecord(stage: .denoise, seconds: 1), of: "a")
        registry.record(StepRecord(stage: .denoise, seconds: 3), of: "a")
        #expect(registry.status(of: "a")?.secondsPerStep == [.denoise: 2])
    }
}
