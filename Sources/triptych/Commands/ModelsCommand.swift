import ArgumentParser
import Foundation
import Pipelines
import Settings

/// `triptych models`: what is configured, what it needs, what is missing.
struct ModelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models",
        abstract: "Lists the configured models and whether their files are complete."
    )

    @Flag(help: "Print a JSON list.")
    var json = false

    @OptionGroup var configuration: ConfigurationOptions

    func run() throws {
        let rows = try configuration.settings().models.map(Row.init)
        if json {
            try Console.print(json: rows)
        } else if rows.isEmpty {
            Console.error("no models are configured")
        } else {
            rows.forEach { Console.print($0.text) }
        }
    }

    private struct Row: Encodable {
        var name: String
        var family: String?
        var path: String?
        var ready: Bool
        var weightBytes: Int?
        var parameterCount: Int?
        var summary: [String]
        var problems: [String]

        init(_ setting: ConfiguredModel) {
            name = setting.name
            summary = []
            switch setting {
            case .invalid(_, let family, let reason):
                self.family = family
                problems = [reason]
            case .entry(let entry):
                family = entry.family
                path = entry.path.path
                do {
                    let report = try ModelFamily.family(named: entry.family).check(entry)
                    summary = report.summary
                    problems = report.problems
                    weightBytes = report.weightBytes
                    parameterCount = report.parameterCount
                } catch {
                    problems = ["\(error)"]
                }
            }
            ready = problems.isEmpty
        }

        var text: String {
            let size = weightBytes.map { ", \(($0 + 500_000) / 1_000_000) MB of weights" } ?? ""
            let head = "\(name) (\(family ?? "no family")): \(ready ? "ready" : "can't be used")\(size)"
            return ([head] + (path.map { [$0] } ?? []) + summary + problems).joined(separator: "\n    ")
        }
    }
}
