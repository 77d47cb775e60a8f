import ArgumentParser
import Foundation
import Images
import Pipelines
import Settings

/// `triptych generate`: a prompt, and perhaps pictures, to pictures in files.
struct GenerateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Draws pictures from a prompt, or edits pictures by one."
    )

    @Option(help: "Name of a configured model.")
    var model: String

    @Option(help: "What to draw; may be empty only with --image.")
    var prompt: String

    @Option(help: "A picture to edit or draw from; may be given several times.")
    var image: [String] = []

    @Option(help: "What not to draw.")
    var negativePrompt: String?

    @Option(help: "0 … 2⁶³−1; image i is drawn from seed + i. Drawn at random if absent.")
    var seed: UInt64?

    @Option(help: "Number of denoise steps, 1 … 1000.")
    var steps: Int?

    @Option(help: "Guidance scale.")
    var guidance: Double?

    @Option(help: "Guidance scale of the pictures given.")
    var imageGuidance: Double?

    @Option(help: "Size in pixels, as WxH.")
    var size: PictureSize?

    @Option(name: [.customShort("n"), .customLong("count")], help: "Number of pictures, 1 … 8.")
    var count = 1

    @Option(name: .shortAndLong, help: "File to write (.png, .jpg or .webp); several become out-1.png, out-2.png, …")
    var output: String

    @Flag(help: "Print files, seed and timings as JSON.")
    var json = false

    @Option(help: "Let this server draw instead of this process.")
    var server: String?

    @OptionGroup var configuration: ConfigurationOptions

    func validate() throws {
        guard (1...8).contains(count) else { throw ValidationError("-n must be from 1 to 8, not \(count)") }
        if let steps, !(1...1000).contains(steps) {
            throw ValidationError("--steps must be from 1 to 1000, not \(steps)")
        }
        for (name, value) in [("--guidance", guidance), ("--image-guidance", imageGuidance)] {
            if let value, !(value.isFinite && value >= 0) {
                throw ValidationError("\(name) must be a finite number of at least 0, not \(value)")
            }
        }
        if let seed, seed > UInt64(Int64.max) { throw ValidationError("--seed must be below 2⁶³, not \(seed)") }
        guard !prompt.isEmpty || !image.isEmpty else {
            throw ValidationError("--prompt may be empty only with --image")
        }
    }

    func run() async throws {
        let format = try PictureFiles.format(of: output)
        let drawn = if let server { try await drawing(format, by: RemoteServer(server)) } else { try drawing(format) }
        let files = PictureFiles.names(output, count: drawn.pictures.count)
        for (picture, file) in zip(drawn.pictures, files) { try PictureFiles.write(picture.file, to: file) }
        if json {
            let seed = drawn.pictures.first?.seed ?? 0
            try Console.print(json: Report(files: files, seed: seed, timings: drawn.timings))
        } else {
            for (picture, file) in zip(drawn.pictures, files) { Console.print("\(file) (seed \(picture.seed))") }
        }
    }

    /// Encoded pictures and where the time went.
    private struct Drawing {
        var pictures: [(file: Data, seed: UInt64)]
        var timings: [String: Double]
    }

    /// In this process.
    private func drawing(_ format: ImageFormat) throws -> Drawing {
        let settings = try configuration.settings()
        settings.configureCompute()
        let request = GenerationRequest(
            prompt: prompt,
            negativePrompt: negativePrompt,
            images: try PictureFiles.read(image, maxPixels: settings.images.maxPixels),
            count: count,
            size: size,
            seed: seed ?? UInt64.random(in: 0...UInt64(UInt32.max)),
            steps: steps,
            guidanceScale: guidance,
            imageGuidanceScale: imageGuidance
        )
        var run = LocalRun()
        let result = try run.result(of: .generation(request), from: settings.loadPipeline(named: model))
        guard case .pictures(let pictures, _) = result else {
            throw CommandFailure("\(model) answered with text instead of a picture")
        }
        return Drawing(
            pictures: try pictures.map { (try $0.image.encoded(as: format), $0.seed) },
            timings: run.timings
        )
    }

    /// By a server.
    private func drawing(_ format: ImageFormat, by server: RemoteServer) async throws -> Drawing {
        let request = RemoteGeneration(
            model: model,
            prompt: prompt,
            negativePrompt: negativePrompt,
            images: try PictureFiles.dataURIs(image),
            n: count,
            size: size.map { "\($0.width)x\($0.height)" },
            seed: seed,
            numInferenceSteps: steps,
            guidanceScale: guidance,
            imageGuidanceScale: imageGuidance,
            outputFormat: format.rawValue
        )
        let reply: RemoteGeneration.Reply = try await server.result(of: request, at: "/v1/images/generations")
        return Drawing(pictures: reply.data.map { ($0.b64Json, $0.seed) }, timings: reply.timings)
    }

    private struct Report: Encodable {
        var files: [String]
        var seed: UInt64
        var timings: [String: Double]
    }
}

extension PictureSize: ExpressibleByArgument {
    /// `WxH` in pixels.
    init?(argument: String) {
        let parts = argument.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 2, let width = parts[0], let height = parts[1], width > 0, height > 0 else { return nil }
        self.init(width: width, height: height)
    }
}
