import ArgumentParser
import Foundation
import Logging
import Pipelines
import Settings

/// `triptych serve`: the HTTP server, until SIGTERM or SIGINT.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serves the configured models over HTTP."
    )

    @Option(help: "Address to listen on.")
    var host: String?

    @Option(help: "Port to listen on; 0 takes any free one.")
    var port: String?

    @Option(
        name: .customLong("log-level"),
        help: "What is logged: trace, debug, info, notice, warning, error or critical."
    )
    var logLevel = Logger.Level.info.rawValue

    @OptionGroup var configuration: ConfigurationOptions

    func validate() throws {
        guard Logger.Level(rawValue: logLevel) != nil else {
            let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("--log-level must be one of \(levels), not \(logLevel)")
        }
    }

    func run() async throws {
        var flags: [String: String] = [:]
        flags["server.host"] = host
        flags["server.port"] = port
        let settings = try configuration.settings(flags: flags)
        try Self.refuseOpenDoors(settings.server)
        settings.configureCompute()

        let level = Logger.Level(rawValue: logLevel) ?? .info
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
        // Before anything can take long: a signal during start-up stops the server as soon as it is up.
        let stop = StopSignal()
        let server = try Server(settings)
        let address = try await server.start()
        Welcome(settings: settings, address: address).print()
        await stop.wait()
        await server.stop()
    }

    /// Without keys anybody who reaches the port may use the machine: that has to be said, not left open.
    private static func refuseOpenDoors(_ server: ServerSettings) throws {
        let isLoopback = server.host == "localhost" || server.host == "::1" || server.host.hasPrefix("127.")
        guard server.unixSocket == nil, !isLoopback, !server.allowPublicWithoutKeys else { return }
        throw CommandFailure(
            """
            server.host \(server.host) is reachable from outside and nothing asks for a key; set \
            server.allow_public_without_keys: true (TRIPTYCH_SERVER_ALLOW_PUBLIC_WITHOUT_KEYS=true) if a proxy or a \
            firewall guards it
            """
        )
    }
}
