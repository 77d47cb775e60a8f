import Foundation
import Tensors

// One side of Benchmarks/kernels/compare.py: reads a command a line, answers each with a line of JSON.
//
//     limits                             what the machine can do at best
//     work <operation> <numbers …>       prepares a piece of work
//     run                                does it once

guard let threads = CommandLine.arguments.dropFirst().first.flatMap(Int.init), threads > 0 else {
    FileHandle.standardError.write(Data("usage: KernelBenchmark THREADS\n".utf8))
    exit(2)
}
ComputePool.configure(threads: threads)

func answer(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

var work: (() -> Void)?
while let line = readLine() {
    let words = line.split(separator: " ").map(String.init)
    switch words.first {
    case "limits":
        answer(
            """
            {"instructions": "\(ComputeLimits.instructionSet)", "flops": \(ComputeLimits.multiplyAddRate()), \
            "bytes": \(ComputeLimits.memoryReadRate())}
            """
        )
    case "work":
        work = prepare(Array(words.dropFirst()))
        work?()  // memory and caches are warm from here on
        answer("{}")
    case "run":
        let start = DispatchTime.now().uptimeNanoseconds
        work?()
        answer("{\"seconds\": \(Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9)}")
    default:
        FileHandle.standardError.write(Data("unknown command: \(line)\n".utf8))
        exit(2)
    }
}
