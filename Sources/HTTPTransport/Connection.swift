import Dispatch
import HTTPMessages

/// The bytes of one client: what it sent, what it is sent, and how long either may take.
///
/// An actor on the serial queue of its dispatch sources: the sources' handlers are already isolated to it. What the bytes
/// mean is a session's matter (``HTTP1Session``; a session of another protocol stands beside it).
actor Connection {
    nonisolated let executor: QueueExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    nonisolated let remoteAddress: String?

    /// Bytes that arrived; a session takes them out.
    var input: [UInt8] = []
    /// The server is shutting down: no further request is to be waited for.
    private(set) var isDraining = false

    private let socket: Socket
    private let readAhead: Int
    private let readSource: any DispatchSourceRead
    private var readIsPaused = false
    private var writeSource: (any DispatchSourceWrite)?
    private var openSources = 1
    private var timer: DeadlineTimer?
    private var inputEnded = false
    private var isBroken = false
    private var isClosed = false
    private var reader: CheckedContinuation<Void, Never>?
    private var readerIsIdle = false
    private var writer: CheckedContinuation<Void, Never>?
    private var deadlinePassed = false
    private var exchange: Exchange?
    private var isCheckingForHangUp = false

    /// What a request's handler and its response are doing.
    struct Exchange {
        enum Stage {
            /// Nothing of the response was sent.
            case handling
            /// The whole response is on its way.
            case sending
            /// The response is made while it is sent.
            case streaming
        }

        let cancel: @Sendable () -> Void
        /// An interim response that does no harm, to find out whether a client that stopped sending still listens.
        let probe: [UInt8]?
        var stage = Stage.handling
    }

    enum Arrival {
        case bytes
        /// The client sends nothing more, or nothing more is wanted.
        case end
        case timedOut
    }

    /// The most bytes taken from the socket in one go.
    private static let readSize = 64 << 10

    init(_ socket: Socket, readAhead: Int) {
        self.socket = socket
        self.readAhead = readAhead
        remoteAddress = socket.remoteAddress
        executor = QueueExecutor(label: "http.connection")
        readSource = DispatchSource.makeReadSource(fileDescriptor: socket.descriptor, queue: executor.queue)
    }

    /// Begins to read. To be called once.
    func open() {
        readSource.setEventHandler { self.assumeIsolated { $0.readable() } }
        readSource.setCancelHandler { self.assumeIsolated { $0.sourceCancelled() } }
        readSource.resume()
    }

    // MARK: - Reading

    /// Suspends until there is ``input``.
    ///
    /// - Parameters:
    ///   - deadline: when to give up.
    ///   - isIdle: whether nothing is lost if the wait ends because the server shuts down.
    func arrival(by deadline: DispatchTime, isIdle: Bool) async -> Arrival {
        while true {
            if !input.isEmpty { return .bytes }
            if inputEnded || isBroken || (isDraining && isIdle) { return .end }
            resumeReading()
            readerIsIdle = isIdle
            let inTime = await wait(until: deadline) { $0.reader = $1 }
            if !inTime { return .timedOut }
        }
    }

    private func readable() {
        guard !inputEnded, !isBroken else { return pauseReading() }
        let received = withUnsafeTemporaryAllocation(byteCount: Self.readSize, alignment: 1) { buffer in
            let received = socket.receive(into: buffer)
            if case .bytes(let count) = received { input.append(contentsOf: buffer[..<count]) }
            return received
        }
        switch received {
        case .wouldBlock:
            return
        case .bytes:
            if reader == nil, input.count >= readAhead { pauseReading() }
        case .end:
            inputEnded = true
            pauseReading()
            suspectHangUp()
        case .failed:
            hangUp()
        }
        wakeReader()
    }

    private func pauseReading() {
        guard !readIsPaused else { return }
        readIsPaused = true
        readSource.suspend()
    }

    private func resumeReading() {
        guard readIsPaused else { return }
        readIsPaused = false
        readSource.resume()
    }

    private func wakeReader() {
        reader.take()?.resume()
    }

    // MARK: - Writing

    /// Sends `bytes`; suspends while the client is slow to take them.
    ///
    /// - Parameters:
    ///   - idleLimit: seconds without progress after which the client counts as gone.
    ///   - moreFollows: whether another write comes at once.
    func write(
        _ bytes: [UInt8],
        idleLimit: Double,
        moreFollows: Bool = false
    ) async throws(ClientDisconnected) {
        precondition(writer == nil, "two writes to one connection at a time")
        var rest = bytes[...]
        while !rest.isEmpty {
            guard !isBroken else { throw ClientDisconnected() }
            switch socket.send(rest, moreFollows: moreFollows) {
            case .bytes(let count):
                rest = rest.dropFirst(count)
            case .wouldBlock:
                watchForRoom()
                let inTime = await wait(until: .now() + .seconds(idleLimit)) { $0.writer = $1 }
                if !inTime { hangUp() }
            case .failed:
                hangUp()
            }
        }
    }

    private func watchForRoom() {
        if let writeSource { return writeSource.resume() }
        let source = DispatchSource.makeWriteSource(fileDescriptor: socket.descriptor, queue: executor.queue)
        source.setEventHandler { self.assumeIsolated { $0.wakeWriter() } }
        source.setCancelHandler { self.assumeIsolated { $0.sourceCancelled() } }
        openSources += 1
        writeSource = source
        source.resume()
    }

    /// The write source runs exactly while there is a writer.
    private func wakeWriter() {
        guard let writer = writer.take() else { return }
        writeSource?.suspend()
        writer.resume()
    }

    // MARK: - Time

    /// - Returns: whether the wait ended otherwise than by its deadline.
    private func wait(
        until deadline: DispatchTime,
        _ store: (isolated Connection, CheckedContinuation<Void, Never>) -> Void
    ) async -> Bool {
        deadlinePassed = false
        let timer =
            self.timer
            ?? DeadlineTimer(queue: executor.queue) { [weak self] in
                self?.assumeIsolated { $0.passDeadline() }
            }
        self.timer = timer
        timer.deadline = deadline
        await withCheckedContinuation { store(self, $0) }
        timer.deadline = nil
        return !deadlinePassed
    }

    private func passDeadline() {
        deadlinePassed = true
        wakeReader()
        wakeWriter()
    }

    // MARK: - Exchanges and hang-ups

    func begin(_ exchange: Exchange) {
        self.exchange = exchange
        if isBroken { exchange.cancel() } else if inputEnded { suspectHangUp() }
    }

    func enter(_ stage: Exchange.Stage) {
        exchange?.stage = stage
        if inputEnded, stage == .streaming { exchange?.cancel() }
    }

    func endExchange() {
        exchange = nil
    }

    /// The client stopped sending. It either is gone or only closed its half and waits for the response; TCP tells the
    /// two apart only once it is sent something. So a handler that is still busy after a moment has its client sent an
    /// interim response: the reset that a closed socket answers with, or the hang-up of a unix socket, cancels it.
    private func suspectHangUp() {
        switch exchange?.stage {
        case nil, .sending: break
        case .streaming: exchange?.cancel()
        case .handling where !isCheckingForHangUp:
            isCheckingForHangUp = true
            checkHangUp(after: .milliseconds(100), sending: remoteAddress == nil ? nil : exchange?.probe)
        case .handling: break
        }
    }

    private func checkHangUp(after delay: DispatchTimeInterval, sending probe: [UInt8]?) {
        executor.queue.asyncAfter(deadline: .now() + delay) { [weak self] in
            self?.assumeIsolated { connection in
                guard !connection.isClosed, connection.exchange?.stage == .handling else {
                    connection.isCheckingForHangUp = false
                    return
                }
                if let probe { _ = connection.socket.send(probe[...]) }
                if connection.socket.isHungUp { return connection.hangUp() }
                connection.checkHangUp(after: .milliseconds(probe == nil ? 250 : 50), sending: nil)
            }
        }
    }

    /// The client is gone, or is to be treated so: whatever waits for it ends.
    func hangUp() {
        isBroken = true
        exchange?.cancel()
        wakeReader()
        wakeWriter()
    }

    /// The server shuts down: a connection between two requests ends now, others after their response.
    func drain() {
        isDraining = true
        if readerIsIdle { wakeReader() }
    }

    // MARK: - Closing

    /// Sends the end of output, then reads what the client still sends before the socket is closed: closing with unread
    /// bytes would reset the connection and could take the last response away from the client.
    func closeAfterLastResponse() async {
        // Enough for a client to notice the response to an upload it has not finished.
        let deadline = DispatchTime.now() + .seconds(2)
        socket.endOutput()
        input.removeAll(keepingCapacity: true)
        while await arrival(by: deadline, isIdle: false) == .bytes, DispatchTime.now() < deadline {
            input.removeAll(keepingCapacity: true)
        }
        close()
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        isBroken = true
        timer?.cancel()
        readSource.cancel()
        resumeReading()
        if let writeSource {
            writeSource.cancel()
            // Nobody writes any more, so the source is suspended, and its cancel handler would wait for ever.
            writeSource.resume()
        }
    }

    /// The descriptor may be reused only when no source watches it any more.
    private func sourceCancelled() {
        openSources -= 1
        if openSources == 0 { socket.close() }
    }
}
