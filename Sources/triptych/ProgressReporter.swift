import Foundation
import Pipelines

/// Shows how far a run is: a bar redrawn in place on a terminal, a plain line per stage and tenth elsewhere.
struct ProgressReporter {
    private static let barWidth = 30
    private let isTerminal = Console.errorIsTerminal
    private var lastLine = ""

    mutating func report(_ progress: RunProgress) {
        let stage = progress.stage.rawValue.replacing("_", with: " ")
        if isTerminal {
            let filled = Int(progress.fraction * Double(Self.barWidth))
            let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: Self.barWidth - filled)
            write("\r\u{1B}[K\(bar) \(progress.step)/\(progress.steps) \(stage)")
        } else {
            let tenth = Int(progress.fraction * 10)
            let line = "\(stage): \(tenth * 10) %"
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
