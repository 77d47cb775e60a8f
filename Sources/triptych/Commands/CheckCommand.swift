import ArgumentParser
import Foundation
import Pipelines
import Settings

/// `triptych check`: every problem of a checkpoint at once, from its configurations and headers.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Lists every missing, unexpected and misshaped tensor of a checkpoint. Reads headers, not weights."
    )

    @Argument(help: "Name of a configured model, or a checkpoint's folder.")
    var target: String

    @OptionGroup var configuration: ConfigurationOptions

    func run() throws {
        let settings = try configuration.settings()
        let report: CheckReport
        switch settings.models.first(where: { $0.name == target }) {
        case .entry(let entry)?:
            do {
                report = try ModelFamily.family(named: entry.family).check(entry)
            } catch {
                throw CommandFailure("\(target): \(error)")
            }
        case .invalid(_, _, let reason)?:
            throw CommandFailure("\(target): \(reason)")
        case nil:
            let folder = URL(fileURLWithPath: target)
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder), isFolder.boolValue else {
                throw CommandFailure("\(target) is neither a configured model nor a folder")
            }
            report = try check(folder)
        }
        report.summary.forEach(Console.print)
        guard report.problems.isEmpty else {
            report.problems.forEach(Console.print)
            let count = report.problems.count
            throw CommandFailure("\(target): \(count) problem\(count == 1 ? "" : "s")")
        }
        Console.print(
            "\(report.parameterCount) parameters, \(report.weightBytes) bytes: nothing missing, nothing unexpected"
        )
    }

    /// A folder says by its config.json which family it belongs to.
    private func check(_ folder: URL) throws -> CheckReport {
        do {
            let family = try ModelFamily.family(ofCheckpointAt: folder)
            return family.check(ModelEntry(name: folder.lastPathComponent, family: family.name, path: folder))
        } catch {
            throw CommandFailure("\(target): \(error)")
        }
    }
}
