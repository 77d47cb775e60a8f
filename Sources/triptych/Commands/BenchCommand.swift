import ArgumentParser
import Foundation
import Pipelines
import Settings
import Tensors

/// `triptych bench`: one network at its real dimensions, or a configured model stage by stage.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measures a network at its real dimensions with random weights, or a configured model."
    )

    private static let shapes = BenchShape.allCases.map(\.rawValue).joined(separator: ", ")

    @Option(help: "Name of a configured model.")
    var model: String?

    @Option(help: "A network: \(Self.shapes).")
    var shape: String?

    @Option(help: "Build this many decoder layers and scale time and arithmetic to all of them.")
    var layers: Int?

    @Option(help: "How weights are stored: f32, f16 or bf16.")
    var dtype = "bf16"

    @Option(help: "Measured runs, after one that is not.")
    var runs = 5

    @Option(help: "Compute threads; every core if absent.")
    var threads: Int?

    @Flag(help: "Print a JSON list.")
    var json = false

    @OptionGroup var configuration: ConfigurationOptions

    func validate() throws {
        guard (model == nil) != (shape == nil) else { throw ValidationError("give either --model or --shape") }
        guard runs >= 1 else { throw ValidationError("--runs must be at least 1, not \(runs)") }
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads must be from 1 to 1024, not \(threads)")
        }
        if let shape, BenchShape(rawValue: shape) == nil {
            throw ValidationError("--shape must be one of \(Self.shapes), not \(shape)")
        }
        _ = try storedType()
    }

    func run() throws {
        let measurements: [Measurement]
        if let shape = shape.flatMap({ BenchShape(rawValue: $0) }) {
            ComputePool.configure(threads: threads ?? ProcessInfo.processInfo.activeProcessorCount)
            measurements = try shape.measure(BenchOptions(layers: layers, dtype: storedType(), runs: runs))
        } else {
            var settings = try configuration.settings()
            if let threads { settings.compute.threads = threads }
            settings.configureCompute()
            measurements = try ModelBench(pipeline: settings.loadPipeline(named: model ?? "")).measure(runs: runs)
        }
        if json {
            try Console.print(json: measurements)
        } else {
            measurements.forEach { Console.print($0.text) }
        }
    }

    private func storedType() throws -> DType {
        switch dtype {
        case "f32": .float32
        case "f16": .float16
        case "bf16": .bfloat16
        case "int8", "int4": throw ValidationError("--dtype \(dtype) is not supported yet")
        default: throw ValidationError("--dtype must be f32, f16, bf16, int8 or int4, not \(dtype)")
        }
    }
}
