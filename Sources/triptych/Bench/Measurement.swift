import Foundation
import Pipelines

/// What `triptych bench` prints for one piece of work.
struct Measurement: Encodable {
    /// Seconds over the runs.
    struct Seconds: Encodable {
        var median: Double
        var min: Double
        var max: Double
    }

    /// `prefill`, `decode`, `step`, `step-cached`, `vision` for what a language model sees through, or `forward` for
    /// encoders and decoders; beside `decode`, `memory-read` is reading the same weights and nothing else.
    var name: String
    var seconds: Seconds
    /// Tokens a second at the median, where the work is counted in tokens.
    var tokensPerSecond: Double?
    /// Billions of multiplications and additions in the large matrix products, where they are known.
    var gflop: Double?
    /// The process's largest resident memory so far, in bytes.
    var peakMemoryBytes: Int
    /// Weights as stored, in bytes.
    var weightBytes: Int

    /// - Parameters:
    ///   - samples: Seconds of each run, at least one.
    ///   - tokens: Tokens that one run works through.
    init(name: String, samples: [Double], tokens: Int? = nil, gflop: Double? = nil, weightBytes: Int) {
        precondition(!samples.isEmpty, "nothing was measured")
        let sorted = samples.sorted()
        self.name = name
        seconds = Seconds(median: sorted.median, min: sorted[0], max: sorted[sorted.count - 1])
        tokensPerSecond = tokens.map { Double($0) / sorted.median }
        self.gflop = gflop
        peakMemoryBytes = Self.peakResidentBytes()
        self.weightBytes = weightBytes
    }

    /// `VmHWM` of /proc/self/status.
    private static func peakResidentBytes() -> Int {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
            let kibibytes = line.split(whereSeparator: { !$0.isNumber }).first.flatMap({ Int($0) })
        else { return 0 }
        return kibibytes << 10
    }

    /// One line for people.
    var text: String {
        let times = String(format: "%10.4f s  (%.4f … %.4f)", seconds.median, seconds.min, seconds.max)
        let rate = gflop.map { String(format: "%8.1f GFLOP/s", $0 / seconds.median) } ?? ""
        let tokens = tokensPerSecond.map { String(format: "%9.2f tokens/s", $0) } ?? ""
        let memory = String(
            format: "peak %.2f GB, weights %.2f GB",
            Double(peakMemoryBytes) * 1e-9,
            Double(weightBytes) * 1e-9
        )
        return "\(name.padding(toLength: 16, withPad: " ", startingAt: 0))\(times)\(rate)\(tokens)  \(memory)"
    }
}

/// What `body` returns over `runs` calls, after one that doesn't count.
func samples(_ runs: Int, _ body: () -> Double) -> [Double] {
    _ = body()
    return (0..<runs).map { _ in body() }
}

/// Wall-clock seconds of one call.
func seconds(_ body: () -> Void) -> Double {
    let clock = ContinuousClock()
    let start = clock.now
    body()
    return start.duration(to: clock.now).seconds
}

extension [Double] {
    /// The middle value, or the mean of the two in the middle, of at least one.
    var median: Double {
        let sorted = sorted()
        let middle = count / 2
        return count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }
}
