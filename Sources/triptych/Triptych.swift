import ArgumentParser
import Foundation

/// The command line: `triptych serve | generate | ask | models | check | jobs | bench`.
@main
struct Triptych: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "triptych",
        abstract: "Serves unified multimodal models on CPUs: prompts to pictures, pictures and questions to answers.",
        subcommands: [
            ServeCommand.self, GenerateCommand.self, AskCommand.self, ModelsCommand.self, CheckCommand.self,
            JobsCommand.self, BenchCommand.self,
        ]
    )

    /// Exit status 0 for success, 1 for failure, 2 for wrong usage; results alone go to standard output.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            Console.error("triptych: \(failure.message)")
            Foundation.exit(1)
        } catch let code as ExitCode {
            Foundation.exit(code.rawValue)
        } catch {
            let text = fullMessage(for: error)
            switch exitCode(for: error) {
            case .success:
                // Help and completion scripts arrive as errors too.
                Console.print(text)
            case .validationFailure:
                Console.error(text)
                Foundation.exit(2)
            default:
                Console.error("triptych: \(error)")
                Foundation.exit(1)
            }
        }
    }
}

/// A command that could not do its work; the message says what to change.
struct CommandFailure: Error {
    var message: String

    init(_ message: String) {
        self.message = message
    }
}
