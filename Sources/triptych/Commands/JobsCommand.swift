import ArgumentParser
import Foundation

/// `triptych jobs`: what a server is doing and has done.
struct JobsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs",
        abstract: "Lists, shows, cancels and watches the jobs of a server.",
        subcommands: [List.self, Show.self, Cancel.self, Watch.self]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists jobs, the newest first.")

        @Option(help: "Only jobs of this status: queued, in_progress, completed, failed, cancelled or expired.")
        var status: String?

        @Option(help: "How many, 1 … 100.")
        var limit = 20

        @Flag(help: "Print the server's JSON.")
        var json = false

        @OptionGroup var address: ServerAddress

        func run() async throws {
            let server = try RemoteServer(address.server)
            let body = try await server.get(
                "/v1/jobs",
                query: [URLQueryItem(name: "limit", value: "\(limit)")]
                    + (status.map { [URLQueryItem(name: "status", value: $0)] } ?? [])
            )
            if json { return Console.print(String(decoding: body, as: UTF8.self)) }
            for job in try server.decode(Page.self, body).data { Console.print(job.line) }
        }

        private struct Page: Decodable {
            var data: [RemoteJob]
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Prints a job as the server's JSON.")

        @Argument(help: "The job's id.")
        var id: String

        @OptionGroup var address: ServerAddress

        func run() async throws {
            let body = try await RemoteServer(address.server).get(RemoteJob.path(id))
            Console.print(String(decoding: body, as: UTF8.self))
        }
    }

    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Cancels a job.")

        @Argument(help: "The job's id.")
        var id: String

        @OptionGroup var address: ServerAddress

        func run() async throws {
            let server = try RemoteServer(address.server)
            let job = try server.decode(RemoteJob.self, try await server.post(RemoteJob.path(id) + "/cancel"))
            Console.print(job.line)
        }
    }

    struct Watch: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows a job's progress until it has finished.")

        @Argument(help: "The job's id.")
        var id: String

        @OptionGroup var address: ServerAddress

        func run() async throws {
            let server = try RemoteServer(address.server)
            Console.print(try server.decode(RemoteJob.self, try await server.followed(id)).line)
        }
    }
}

/// `--server URL` of commands that only a server can serve.
struct ServerAddress: ParsableArguments {
    @Option(help: "Address of the server.")
    var server = RemoteServer.usual
}
