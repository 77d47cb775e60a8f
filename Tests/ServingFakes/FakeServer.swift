package import Foundation
import Logging
import Pipelines
package import Serving
import Synchronization

/// Everything behind the routes, with fake models and a database in a folder of its own.
package struct FakeServer: Sendable {
    package let folder: TemporaryFolder
    package let clock: FakeClock
    package let registry: ModelRegistry
    package let jobs: JobService

    /// - Parameters:
    ///   - folder: holds `jobs.sqlite`; nil makes a new one.
    ///   - models: name and pipeline, in the order of the configuration.
    ///   - wrapping: puts something between the service and its store.
    package init(
        folder: TemporaryFolder? = nil,
        clock: FakeClock = FakeClock(),
        models: KeyValuePairs<String, FakePipeline> = ["fake": FakePipeline()],
        options: JobService.Options = .init(),
        limits: StepSchedule.Limits = .init(),
        loadsModels: Bool = false,
        wrapping: (SQLiteJobStore) -> any JobStore = { $0 }
    ) throws {
        self.folder = try folder ?? TemporaryFolder()
        self.clock = clock
        var options = options
        options.loadsModels = loadsModels
        var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        registry = Self.registry(of: models, logger: logger)
        jobs = JobService(
            store: wrapping(try SQLiteJobStore(path: self.folder.url.appending(path: "jobs.sqlite"))),
            engine: Engine(limits: limits, now: { clock.now }),
            registry: registry,
            options: options,
            logger: logger,
            now: { clock.now }
        )
    }

    private static func registry(of models: KeyValuePairs<String, FakePipeline>, logger: Logger) -> ModelRegistry {
        let pipelines = Dictionary(models.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        let family = ModelFamily(
            name: "fake",
            load: { entry in
                guard let pipeline = pipelines[entry.name] else { throw FakeFailure() }
                return pipeline
            },
            check: { entry in
                CheckReport(
                    problems: [],
                    summary: [],
                    parameterCount: 0,
                    weightBytes: pipelines[entry.name]?.description.weightBytes ?? 0
                )
            }
        )
        let entries = models.map {
            ConfiguredModel.entry(ModelEntry(name: $0.key, family: "fake", path: URL(filePath: "/nowhere")))
        }
        return ModelRegistry(models: entries, families: [family], budgetBytes: .max, logger: logger)
    }

    /// What would be left in the folder if the process were killed now: a copy of its files.
    package func killed() throws -> TemporaryFolder {
        let copy = try TemporaryFolder()
        for file in try FileManager.default.contentsOfDirectory(at: folder.url, includingPropertiesForKeys: nil) {
            try FileManager.default.copyItem(at: file, to: copy.url.appending(path: file.lastPathComponent))
        }
        return copy
    }
}

/// A new folder that goes when nobody holds it any more.
package final class TemporaryFolder: Sendable {
    package let url: URL

    package init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "triptych-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }
}

/// A clock that stands still until a test moves it.
package final class FakeClock: Sendable {
    private let time = Mutex(Date(timeIntervalSince1970: 1_800_000_000))
    private let leap = Mutex<(reads: Int, seconds: Double)?>(nil)

    package init() {}

    package var now: Date {
        let now = time.withLock(\.self)
        let due = leap.withLock { leap -> Double? in
            leap?.reads -= 1
            guard let due = leap, due.reads == 0 else { return nil }
            leap = nil
            return due.seconds
        }
        if let due { advance(by: due) }
        return now
    }

    /// Lets time pass once the clock has been read so often.
    package func advance(by seconds: Double, afterReads reads: Int) {
        leap.withLock { $0 = (reads, seconds) }
    }

    package func advance(by seconds: Double) {
        time.withLock { $0 += seconds }
    }
}
