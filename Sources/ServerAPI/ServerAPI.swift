package import HTTPMessages
import HTTPTypes
package import Logging
import Pipelines
package import Serving

/// Triptych's HTTP API: from requests to jobs and from jobs to responses.
package struct ServerAPI: Sendable {
    package struct Options: Sendable {
        /// Pixels of all pictures of a request together (`images.max_pixels`).
        package var maxPixels = 67_108_864
        /// Bytes of a picture's file; a request's body is bounded before.
        package var maxPictureBytes = 64 << 20
        /// Seconds after which a stream with nothing to tell shows that it lives.
        package var heartbeatSeconds = 5.0

        package init() {}
    }

    let jobs: JobService
    let pictures: PictureReader
    let options: Options
    private let logger: Logger
    private var router = Router(renderError: { APIError($0).response })

    package init(jobs: JobService, options: Options = Options(), logger: Logger) {
        self.jobs = jobs
        self.options = options
        self.logger = logger
        pictures = PictureReader(maxPixels: options.maxPixels, maxBytes: options.maxPictureBytes)
        let routes = Self.routes(self)
        for route in routes { router.on(route.method, route.path, Self.answering(route, logger)) }
    }

    /// Answers a request. A client that hangs up cancels the calling task, and with it a job that only it waits for.
    package func respond(to request: Request) async -> Response {
        var request = request
        if request.id.isEmpty { request.id = RequestID.random() }
        let clock = ContinuousClock()
        let start = clock.now
        let notes = RequestNotes()
        var response = await RequestNotes.$current.withValue(notes) { [request] in await router.respond(to: request) }
        response.fields[.xRequestID] = request.id
        log(request, response, notes.value, took: clock.now - start)
        return response
    }

    /// The response to a request that the transport refused before it became one.
    package static func response(to error: HTTPStatusError) -> Response { APIError(error).response }

    private func log(_ request: Request, _ response: Response, _ notes: RequestNotes.Notes, took time: Duration) {
        var metadata: Logger.Metadata = [
            "method": "\(request.method)", "path": "\(request.path)", "status": "\(response.status.code)",
            "ms": "\(Int(time.seconds * 1000))", "request": "\(request.id)",
        ]
        if let job = notes.job { metadata["job"] = "\(job)" }
        if let model = notes.model { metadata["model"] = "\(model)" }
        if let address = request.remoteAddress { metadata["client"] = "\(address)" }
        logger.info("request", metadata: metadata)
    }

    /// A handler whose errors become responses.
    private static func answering(_ route: Route, _ logger: Logger) -> Router.Handler {
        { request, parameters in
            do {
                return try await route.handler(request, parameters)
            } catch {
                if let error = APIError(error) {
                    if error.status.code >= 500 {
                        logger.error(
                            "request failed",
                            metadata: ["request": "\(request.id)", "error": "\(error.message)"]
                        )
                    }
                    return error.response
                }
                logger.error("request failed", metadata: ["request": "\(request.id)", "error": "\(error)"])
                return APIError(
                    .internalServerError,
                    .server,
                    code: "internal_error",
                    "Something went wrong here; the server's log has it under \(request.id)."
                ).response
            }
        }
    }
}

/// A path of the API and what answers it.
struct Route: Sendable {
    let method: HTTPRequest.Method
    let path: String
    let handler: @Sendable (Request, PathParameters) async throws -> Response

    init(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ handler: @escaping @Sendable (Request, PathParameters) async throws -> Response
    ) {
        self.method = method
        self.path = path
        self.handler = handler
    }
}
