import Dispatch
package import HTTPMessages
import Synchronization

/// What all sessions of a server share.
struct HTTPService: Sendable {
    let limits: HTTPLimits
    let handler: @Sendable (Request) async -> Response
    let renderError: @Sendable (HTTPStatusError) -> Response
}

/// An HTTP server on one address: accepts connections, gives their requests to a handler, sends the responses.
package final class HTTPServer: Sendable {
    private struct State {
        var listener: Listener?
        var isShutDown = false
        var connections: [ObjectIdentifier: Connection] = [:]
        /// Whoever waits for the last connection to close.
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let settings: HTTPServerSettings
    private let service: HTTPService
    private let state = Mutex(State())

    /// Clients beyond the connection limit that are told so at the same time; further ones are closed without a word.
    private static let mostRefusals = 64

    /// - Parameters:
    ///   - renderError: makes the response for requests that the protocol refuses (malformed, too large, too slow).
    ///   - handler: answers a request. Its task is cancelled if the client hangs up. It runs on its connection's queue
    ///     until it suspends, so blocking or long computing holds up that one connection only.
    package init(
        _ settings: HTTPServerSettings,
        renderError: @escaping @Sendable (HTTPStatusError) -> Response = \.plainResponse,
        handler: @escaping @Sendable (Request) async -> Response
    ) {
        self.settings = settings
        service = HTTPService(limits: settings.limits, handler: handler, renderError: renderError)
    }

    /// Binds the address and begins to accept connections. To be called once.
    ///
    /// - Returns: the address that was bound, with the port that port 0 became.
    /// - Throws: ``SocketError`` if the name is unknown or the address cannot be bound.
    @discardableResult
    package func start() throws(SocketError) -> SocketAddress {
        let listener = try Listener(settings.address, backlog: settings.backlog)
        state.withLock { state in
            precondition(state.listener == nil && !state.isShutDown, "a server is started once")
            state.listener = listener
        }
        listener.start { [self] in accept($0) }
        return listener.address
    }

    /// The address that is listened on; nil before ``start()`` and after ``shutdown(within:)``.
    package var boundAddress: SocketAddress? {
        state.withLock { $0.listener?.address }
    }

    /// The number of open connections.
    package var connectionCount: Int {
        state.withLock { $0.connections.count }
    }

    /// Stops accepting, closes idle connections and lets requests in flight finish; those that have not after `seconds`
    /// are cancelled and their connections closed. Returns when all connections are closed.
    package func shutdown(within seconds: Double) async {
        let (listener, connections) = state.withLock { state in
            defer { state.listener = nil }
            state.isShutDown = true
            return (state.listener, Array(state.connections.values))
        }
        listener?.stop()
        for connection in connections { await connection.drain() }
        let deadline = Task {
            try await Task.sleep(for: .milliseconds(Int(min(max(seconds, 0), 86_400) * 1000)))
            for connection in state.withLock({ Array($0.connections.values) }) { await connection.hangUp() }
        }
        await lastConnectionClosed()
        deadline.cancel()
    }

    private func accept(_ socket: Socket) {
        let connection = Connection(socket, readAhead: settings.readAhead)
        let count: Int? = state.withLock { state in
            guard !state.isShutDown, state.connections.count < settings.limits.connections + Self.mostRefusals else {
                return nil
            }
            state.connections[ObjectIdentifier(connection)] = connection
            return state.connections.count
        }
        Task(executorPreference: connection.executor) { [self] in
            await connection.open()
            guard let count else { return await connection.close() }
            await serve(connection, refuses: count > settings.limits.connections)
            remove(connection)
        }
    }

    /// The one place that chooses a protocol for a connection.
    private func serve(_ connection: isolated Connection, refuses: Bool) async {
        var session = HTTP1Session(service)
        if refuses { await session.refuse(connection) } else { await session.run(on: connection) }
    }

    private func remove(_ connection: Connection) {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.connections[ObjectIdentifier(connection)] = nil
            guard state.connections.isEmpty else { return [] }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    private func lastConnectionClosed() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if !state.connections.isEmpty { state.waiters.append(continuation) }
                return state.connections.isEmpty
            }
            if isEmpty { continuation.resume() }
        }
    }
}
