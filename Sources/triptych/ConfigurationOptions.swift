import ArgumentParser
import Foundation
import Pipelines
import Settings
import Tensors

/// `--config FILE`, and what every command does with it.
struct ConfigurationOptions: ParsableArguments {
    @Option(
        name: .customLong("config"),
        help: "Configuration file (default: config/triptych.yaml, /etc/triptych/triptych.yaml)."
    )
    var file: String?

    /// Where a configuration is looked for when no flag and no `TRIPTYCH_CONFIG` names one.
    private static let usualPlaces = ["config/triptych.yaml", "/etc/triptych/triptych.yaml"]

    /// The settings, with flags on top. A named file must exist; without any file the defaults hold.
    func settings(flags: [String: String] = [:]) throws -> Settings {
        do {
            return try SettingsReader.read(file: location, flags: flags)
        } catch let error as SettingsError {
            throw CommandFailure(error.description)
        }
    }

    private var location: URL? {
        if let file { return URL(fileURLWithPath: file) }
        if let file = ProcessInfo.processInfo.environment["TRIPTYCH_CONFIG"] { return URL(fileURLWithPath: file) }
        return Self.usualPlaces.first(where: FileManager.default.fileExists).map { URL(fileURLWithPath: $0) }
    }
}

extension Settings {
    /// Sets up the compute pool; once, before any model is loaded.
    func configureCompute() {
        ComputePool.configure(threads: compute.threads ?? ProcessInfo.processInfo.activeProcessorCount)
    }

    /// Loads one model of the configuration.
    func loadPipeline(named name: String) throws -> any Pipeline {
        guard let setting = models.first(where: { $0.name == name }) else {
            let known = models.map(\.name).joined(separator: ", ")
            throw CommandFailure("there is no model \(name); configured: \(known.isEmpty ? "none" : known)")
        }
        switch setting {
        case .invalid(let name, _, let reason):
            throw CommandFailure("model \(name): \(reason)")
        case .entry(let entry):
            do {
                return try ModelFamily.family(named: entry.family).load(entry)
            } catch {
                throw CommandFailure("model \(name): \(error)")
            }
        }
    }
}
