import Dispatch
package import Foundation
package import Logging
package import Pipelines
import Synchronization

/// The configured models: loaded on first use, unloaded when idle and memory is short.
///
/// Each stands alone: one that can't be loaded is reported with its reason and stops no other.
package final class ModelRegistry: Sendable {
    /// How long a model that failed to load is left alone; afterwards a use tries again, since files can be repaired.
    package static let retrySeconds = 30.0

    private let models: [ConfiguredModel]
    private let families: [String: ModelFamily]
    private let budgetBytes: Int
    private let now: @Sendable () -> Date
    private let logger: Logger
    /// Loads and unloads one model at a time: reading files blocks.
    private let loader = DispatchQueue(label: "triptych.models", qos: .userInitiated)
    private let slots: Mutex<[String: Slot]>

    private struct Slot {
        enum State {
            case unloaded
            case loading
            case loaded(any Pipeline)
            case failed(reason: String, since: Date)
        }

        var state: State
        var description: ModelDescription?
        var weightBytes: Int?
        var leases = 0
        var lastUsed = Date.distantPast
        var steps: [RunProgress.Stage: (count: Int, seconds: Double)] = [:]
    }

    /// - Parameters:
    ///   - models: in the order in which they are offered to requests that name none; of several with one name the
    ///     first counts.
    ///   - budgetBytes: weights kept loaded. A model larger than that is loaded alone: weights are mapped from files,
    ///     and the system drops their pages first when memory is short.
    package init(
        models: [ConfiguredModel],
        families: [ModelFamily],
        budgetBytes: Int,
        logger: Logger,
        now: @escaping @Sendable () -> Date = { Date() }
    ) {
        self.models = models
        self.families = Dictionary(families.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        self.budgetBytes = budgetBytes
        self.logger = logger
        self.now = now
        var slots: [String: Slot] = [:]
        for model in models where slots[model.name] == nil {
            slots[model.name] = Slot(state: Self.initialState(of: model, families: self.families))
        }
        self.slots = Mutex(slots)
    }

    private static func initialState(of model: ConfiguredModel, families: [String: ModelFamily]) -> Slot.State {
        switch model {
        // A configuration is read once, so these two stay as they are.
        case .invalid(_, _, let reason):
            .failed(reason: reason, since: .distantFuture)
        case .entry(let entry) where families[entry.family] == nil:
            .failed(
                reason: "the family \(entry.family) is not supported; supported are "
                    + families.keys.sorted().joined(separator: ", "),
                since: .distantFuture
            )
        case .entry: .unloaded
        }
    }

    // MARK: Looking

    /// All models in the order of the configuration.
    package func statuses() -> [ModelStatus] {
        slots.withLock { slots in
            var seen: Set<String> = []
            return models.compactMap { model in
                guard seen.insert(model.name).inserted else { return nil }
                return slots[model.name].map { Self.status(of: model, $0) }
            }
        }
    }

    package func status(of name: String) -> ModelStatus? {
        statuses().first { $0.name == name }
    }

    private static func status(of model: ConfiguredModel, _ slot: Slot) -> ModelStatus {
        let (state, reason): (ModelStatus.State, String?) =
            switch slot.state {
            case .unloaded: (.unloaded, nil)
            case .loading: (.loading, nil)
            case .loaded: (.loaded, nil)
            case .failed(let reason, _): (.failed, reason)
            }
        return ModelStatus(
            name: model.name,
            family: model.family,
            state: state,
            reason: reason,
            description: slot.description,
            weightBytes: slot.description?.weightBytes ?? slot.weightBytes,
            secondsPerStep: slot.steps.mapValues { $0.seconds / Double($0.count) }
        )
    }

    /// Adds a computed step of a model to what is known of its speed.
    package func record(_ step: StepRecord, of name: String) {
        slots.withLock { slots in
            let known = slots[name]?.steps[step.stage] ?? (0, 0)
            slots[name]?.steps[step.stage] = (known.count + 1, known.seconds + step.seconds)
        }
    }

    // MARK: Loading

    /// Reads the headers of every model's files in the background, so that broken ones are known before their first
    /// use; then loads the models, in order, as far as the budget reaches, if `loading` is true.
    package func inspect(loading: Bool) {
        for case .entry(let entry) in models {
            loader.async { [self] in
                guard isUnloaded(entry.name), let family = families[entry.family] else { return }
                let report = family.check(entry)
                note(report, of: entry.name)
                guard loading, report.problems.isEmpty, loadedBytes() + report.weightBytes <= budgetBytes else {
                    return
                }
                _ = load(entry)
            }
        }
    }

    /// A model by name, loaded if it is not.
    /// - Throws: `ModelError.unknown`, or `.unavailable` with the reason.
    package func lease(_ name: String) async throws(ModelError) -> ModelLease {
        guard let model = models.first(where: { $0.name == name }) else { throw .unknown(name: name) }
        switch leaseWithoutLoading(name) {
        case .success(let lease?): return lease
        case .failure(let error): throw error
        case .success(nil): break
        }
        guard case .entry(let entry) = model else { throw .unavailable(name: name, reason: "invalid configuration") }
        let outcome = await withCheckedContinuation { continuation in
            loader.async { [self] in continuation.resume(returning: load(entry)) }
        }
        return try outcome.get()
    }

    /// The named model if it has the task; without a name the first configured one that has it and reads as many pictures.
    /// Where none reads so many, the first that has the task may say so.
    /// - Throws: `ModelError`.
    package func lease(
        _ name: String?,
        for task: ModelDescription.Task,
        pictures: Int = 0
    ) async throws(ModelError) -> ModelLease {
        if let name {
            let lease = try await lease(name)
            guard lease.pipeline.description.tasks.contains(task) else { throw .wrongTask(name: name, task) }
            return lease
        }
        var reasons: [String] = []
        var blind: String?
        for status in statuses() {
            do {
                // What a model can do is known once it was loaded; nothing is loaded again only to be passed over.
                let loaded = status.description == nil ? try await lease(status.name) : nil
                guard let description = status.description ?? loaded?.pipeline.description,
                    description.tasks.contains(task)
                else { continue }
                guard description.limits.maximumImages >= pictures else {
                    blind = blind ?? status.name
                    continue
                }
                if let loaded { return loaded }
                return try await lease(status.name)
            } catch {
                reasons.append(error.description)
            }
        }
        guard let blind else { throw .noneFor(task, reasons: reasons) }
        return try await lease(blind)
    }

    /// A lease if the model is loaded, nil if it may be loaded now.
    private func leaseWithoutLoading(_ name: String) -> Result<ModelLease?, ModelError> {
        slots.withLock { slots in
            switch slots[name]?.state {
            case .loaded(let pipeline):
                slots[name]?.leases += 1
                slots[name]?.lastUsed = now()
                return .success(ModelLease(name: name, pipeline: pipeline) { [weak self] in self?.release(name) })
            case .failed(let reason, let since) where now().timeIntervalSince(since) < Self.retrySeconds:
                return .failure(.unavailable(name: name, reason: reason))
            default:
                return .success(nil)
            }
        }
    }

    private func release(_ name: String) {
        slots.withLock { slots in
            slots[name]?.leases -= 1
            slots[name]?.lastUsed = now()
        }
    }

    // MARK: On the loader's queue

    private func load(_ entry: ModelEntry) -> Result<ModelLease, ModelError> {
        switch leaseWithoutLoading(entry.name) {  // somebody else may have waited for the same model
        case .success(let lease?): return .success(lease)
        case .failure(let error): return .failure(error)
        case .success(nil): break
        }
        guard let family = families[entry.family] else {
            return .failure(.unavailable(name: entry.name, reason: "unknown family"))
        }
        slots.withLock { $0[entry.name]?.state = .loading }
        let report = family.check(entry)
        note(report, of: entry.name)
        guard report.problems.isEmpty else { return failure(of: entry.name) }
        makeRoom(for: report.weightBytes)
        let start = now()
        do {
            let pipeline = try family.load(entry)
            slots.withLock { slots in
                slots[entry.name]?.state = .loaded(pipeline)
                slots[entry.name]?.description = pipeline.description
            }
            logger.info(
                "model loaded",
                metadata: [
                    "model": "\(entry.name)", "bytes": "\(pipeline.description.weightBytes)",
                    "seconds": "\(now().timeIntervalSince(start))",
                ]
            )
        } catch {
            fail(entry.name, "\(error)")
        }
        return leaseWithoutLoading(entry.name).flatMap { $0.map(Result.success) ?? failure(of: entry.name) }
    }

    private func note(_ report: CheckReport, of name: String) {
        slots.withLock { $0[name]?.weightBytes = report.weightBytes }
        if !report.problems.isEmpty { fail(name, report.problems.joined(separator: "; ")) }
    }

    private func fail(_ name: String, _ reason: String) {
        slots.withLock { $0[name]?.state = .failed(reason: reason, since: now()) }
        logger.error("model can't be loaded", metadata: ["model": "\(name)", "reason": "\(reason)"])
    }

    private func failure(of name: String) -> Result<ModelLease, ModelError> {
        .failure(.unavailable(name: name, reason: status(of: name)?.reason ?? "it can't be loaded"))
    }

    private func isUnloaded(_ name: String) -> Bool {
        slots.withLock { if case .unloaded = $0[name]?.state { true } else { false } }
    }

    private func loadedBytes() -> Int {
        slots.withLock { Self.loadedBytes($0) }
    }

    private static func loadedBytes(_ slots: [String: Slot]) -> Int {
        slots.values.reduce(0) { sum, slot in
            if case .loaded(let pipeline) = slot.state { sum + pipeline.description.weightBytes } else { sum }
        }
    }

    /// Unloads idle models, the one unused for longest first, until `bytes` more fit the budget or none is idle.
    private func makeRoom(for bytes: Int) {
        while true {
            let victim = slots.withLock { slots -> String? in
                guard Self.loadedBytes(slots) + bytes > budgetBytes else { return nil }
                let idle = slots.filter { _, slot in
                    if case .loaded = slot.state { slot.leases == 0 } else { false }
                }
                guard let name = idle.min(by: { $0.value.lastUsed < $1.value.lastUsed })?.key else { return nil }
                slots[name]?.state = .unloaded
                return name
            }
            guard let victim else { return }
            logger.info("model unloaded", metadata: ["model": "\(victim)"])
        }
    }
}
