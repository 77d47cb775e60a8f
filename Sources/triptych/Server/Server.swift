import Foundation
import HTTPMessages
import HTTPTransport
import Logging
import Pipelines
import ServerAPI
import Serving
import Settings

/// Everything behind `triptych serve`, wired together: sockets, routes, jobs, engine, models.
struct Server {
    private let jobs: JobService
    private let http: HTTPServer
    private let logger: Logger

    /// Seconds that the current step may take after SIGTERM, and then the requests that wait for their answers;
    /// together below the ten seconds after which a service manager loses patience.
    private static let stepSeconds = 6.0
    private static let requestSeconds = 2.0
    /// Share of the machine's memory that `memory.budget: auto` leaves to weights.
    private static let memoryShare = 0.7

    /// - Throws: `CommandFailure` when the job store can't be opened.
    init(_ settings: Settings) throws {
        logger = Logger(label: "triptych")
        let memory = Double(ProcessInfo.processInfo.physicalMemory) * Self.memoryShare
        let registry = ModelRegistry(
            models: settings.models,
            families: ModelFamily.all,
            budgetBytes: settings.memory.budgetBytes ?? Int(memory),
            logger: logger
        )
        var options = JobService.Options()
        options.queueLimit = settings.jobs.queue
        options.keepSeconds = settings.jobs.keepHours * 3600
        options.keepBytes = settings.jobs.keepBytes
        do {
            let store = try SQLiteJobStore(path: settings.jobs.path)
            jobs = JobService(store: store, engine: Engine(), registry: registry, options: options, logger: logger)
        } catch {
            throw CommandFailure("jobs.path: \(error)")
        }

        var api = ServerAPI.Options()
        api.maxPixels = settings.images.maxPixels
        api.maxPictureBytes = settings.server.limits.bodyBytes
        let routes = ServerAPI(jobs: jobs, options: api, logger: logger)
        http = HTTPServer(HTTPServerSettings(settings.server), renderError: ServerAPI.response(to:)) { request in
            await routes.respond(to: request)
        }
    }

    /// Takes up interrupted jobs and accepts connections.
    /// - Returns: the address that is listened on.
    func start() async throws -> SocketAddress {
        do {
            try await jobs.start()
            return try http.start()
        } catch {
            throw CommandFailure("\(error)")
        }
    }

    /// Finishes the current step, keeps the rest for the next start, answers whoever waits, and closes.
    func stop() async {
        logger.notice("stopping")
        async let requests: Void = http.shutdown(within: Self.stepSeconds + Self.requestSeconds)
        await jobs.shutdown(within: Self.stepSeconds)
        await requests
        logger.notice("stopped")
    }
}

extension HTTPServerSettings {
    fileprivate init(_ server: ServerSettings) {
        if let socket = server.unixSocket {
            self.init(address: .unix(path: socket.path))
        } else {
            // The settings have checked the range.
            self.init(address: .tcp(host: server.host, port: UInt16(clamping: server.port)))
        }
        limits.requestLine = server.limits.requestLineBytes
        limits.headerFields = server.limits.headerFields
        limits.headerBytes = server.limits.headerBytes
        limits.body = server.limits.bodyBytes
        limits.headerSeconds = server.limits.headerSeconds
        limits.idleSeconds = server.limits.idleSeconds
        limits.connections = server.limits.connections
    }
}
