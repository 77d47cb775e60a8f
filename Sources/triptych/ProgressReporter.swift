import Foundation
import Pipelines

/// Shows how far a run is: a bar redrawn in place on a terminal, a plain line per stage and tenth elsewhere.
struct ProgressReporter {
    private static let barWidth = 30
    private let isTerminal = Console.errorIsTerminal
    private var lastLine = ""

    mutating func report(_ progress: RunProgress) {
        report(stage: progress.stage.rawValue, step: progress.step, steps: progress.steps)
    }

    /// - Parameter stage: what the next step belongs to, words joined by underscores
    mutating func report(stage: String, step: Int, steps: Int) {
        let stage = stage.replacing("_", with: " ")
        let fraction = steps > 0 ? min(1, max(0, Double(step) / Double(steps))) : 0
        if isTerminal {
            let filled = Int(fraction * Double(Self.barWidth))
            let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: Self.barWidth - filled)
            write("\r\u{1B}[K\(bar) \(step)/\(steps) \(stage)")
        } else {
            let line = "\(stage): \(Int(fraction * 10) * 10) %"
            if line != lastLine { write(line + "\n") }
            lastLine = line
        }
    }

    /// Clears the bar, so that what follows starts on an empty line.
    func finish() {
        if isTerminal { write("\r\u{1B}[K") }
    }

    private func write(_ text: String) {
        FileHandle.standardError.write(Data(text.utf8))
    }
}
