import ArgumentParser
import Pipelines
import Settings

/// `triptych ask`: a question, and perhaps pictures, to an answer on standard output.
struct AskCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ask",
        abstract: "Answers a question, about pictures or text."
    )

    @Option(help: "Name of a configured model.")
    var model: String

    @Option(help: "A picture to ask about; may be given several times.")
    var image: [String] = []

    @Option(help: "The question; empty asks for a caption of the picture.")
    var question: String

    @Option(help: "Maximum of generated tokens.")
    var maxTokens = 512

    @Option(help: "0 takes the most likely token every time.")
    var temperature = 0.0

    @Option(help: "Seed of the draw of tokens at a temperature above 0.")
    var seed: UInt64?

    @Flag(help: "Print text, token ids and usage as JSON.")
    var json = false

    @Option(help: "Ask this server instead of this process; its JSON has no token ids.")
    var server: String?

    @OptionGroup var configuration: ConfigurationOptions

    func validate() throws {
        guard maxTokens >= 1 else { throw ValidationError("--max-tokens must be at least 1, not \(maxTokens)") }
        guard temperature.isFinite, temperature >= 0 else {
            throw ValidationError("--temperature must be a finite number of at least 0, not \(temperature)")
        }
        guard !question.isEmpty || !image.isEmpty else {
            throw ValidationError("--question may be empty only with --image")
        }
    }

    func run() async throws {
        let report = if let server { try await report(from: RemoteServer(server)) } else { try report() }
        if json {
            try Console.print(json: report)
        } else {
            Console.print(report.text)
        }
    }

    /// In this process.
    private func report() throws -> Report {
        let settings = try configuration.settings()
        settings.configureCompute()
        let request = AnswerRequest(
            question: question,
            images: try PictureFiles.read(image, maxPixels: settings.images.maxPixels),
            maxTokens: maxTokens,
            sampling: TokenSampling(temperature: temperature),
            seed: seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
        )
        var run = LocalRun()
        let result = try run.result(of: .answer(request), from: settings.loadPipeline(named: model))
        guard case .answer(let answer, let usage) = result else {
            throw CommandFailure("\(model) answered with a picture; use triptych generate")
        }
        return Report(text: answer.text, tokenIds: answer.tokenIDs, usage: usage)
    }

    /// By a server.
    private func report(from server: RemoteServer) async throws -> Report {
        let request = RemoteQuestion(
            model: model,
            images: try PictureFiles.dataURIs(image),
            question: question,
            maxTokens: maxTokens,
            temperature: temperature,
            seed: seed
        )
        let reply: RemoteQuestion.Reply = try await server.result(of: request, at: "/v1/answers")
        return Report(text: reply.answer, usage: reply.usage)
    }

    private struct Report: Encodable {
        var text: String
        var tokenIds: [Int]?
        var usage: TokenUsage
    }
}
