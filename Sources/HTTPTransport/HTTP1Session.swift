import Dispatch
import HTTPMessages
import HTTPTypes

/// HTTP/1 on one connection: for each request, handle it and send the response, in order.
struct HTTP1Session {
    private let service: HTTPService
    private var decoder: RequestDecoder
    private var headDeadline: DispatchTime?

    init(_ service: HTTPService) {
        self.service = service
        decoder = RequestDecoder(limits: service.limits)
    }

    mutating func run(on connection: isolated Connection) async {
        while let event = await nextEvent(on: connection) {
            let keepsAlive: Bool
            switch event {
            case .expectsContinue:
                keepsAlive = await ResponseSender(service, connection).sendContinue()
            case .request(let request):
                keepsAlive = await answer(request, on: connection)
            case .failure(let error, let exchange):
                let response = error.response(renderedBy: service.renderError)
                keepsAlive = await ResponseSender(service, connection).send(response, exchange)
            }
            guard keepsAlive else { return await connection.closeAfterLastResponse() }
        }
        connection.close()
    }

    /// Answers a client that is one too many.
    func refuse(_ connection: isolated Connection) async {
        let exchange = RequestDecoder.Exchange(method: .get, version: .http11, keepsAlive: false)
        let response = HTTPStatusError.tooManyConnections.response(renderedBy: service.renderError)
        _ = await ResponseSender(service, connection).send(response, exchange)
        await connection.closeAfterLastResponse()
    }

    private mutating func nextEvent(on connection: isolated Connection) async -> RequestDecoder.Event? {
        while true {
            if let event = decoder.next() {
                headDeadline = nil
                return event
            }
            switch await connection.arrival(by: deadline(), isIdle: decoder.phase == .idle) {
            case .bytes:
                connection.input.withUnsafeBytes { decoder.append($0) }
                connection.input.removeAll(keepingCapacity: true)
            case .end: return decoder.finish()
            case .timedOut: return decoder.timeOut()
            }
        }
    }

    /// When the wait for more bytes ends: a head has one deadline from its first byte on, a body and the time between
    /// requests may go on as long as something comes.
    private mutating func deadline() -> DispatchTime {
        guard decoder.phase == .head else { return .now() + .seconds(service.limits.idleSeconds) }
        let deadline = headDeadline ?? .now() + .seconds(service.limits.headerSeconds)
        headDeadline = deadline
        return deadline
    }

    /// Runs the handler and sends its response in a task that ends early if the client hangs up.
    private func answer(_ request: Request, on connection: isolated Connection) async -> Bool {
        var request = request
        request.remoteAddress = connection.remoteAddress
        if request.id.isEmpty { request.id = RequestID.random() }
        let exchange = RequestDecoder.Exchange(
            method: request.method,
            version: request.version,
            keepsAlive: request.keepsAlive,
            id: request.id
        )
        let task = Self.respond(to: request, exchange, service, connection)
        let probe = request.version == .http11 ? ResponseEncoder.continueResponse : nil
        connection.begin(Connection.Exchange(cancel: { task.cancel() }, probe: probe))
        let keepsAlive = await task.value
        connection.endExchange()
        return keepsAlive
    }

    /// The handler runs on the connection's own queue until it first suspends: no other thread has to wake for it.
    private static nonisolated func respond(
        to request: Request,
        _ exchange: RequestDecoder.Exchange,
        _ service: HTTPService,
        _ connection: Connection
    ) -> Task<Bool, Never> {
        Task(executorPreference: connection.executor) {
            let response = await service.handler(request)
            return await ResponseSender(service, connection).send(response, exchange)
        }
    }
}
