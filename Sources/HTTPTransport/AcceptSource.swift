import Dispatch
import Glibc

/// Accepts the connections of one listening socket on a serial queue.
///
/// `@unchecked` because Dispatch does not mark its sources Sendable, although they may be used from any thread; the one
/// mutable property is only touched on the queue.
final class AcceptSource: @unchecked Sendable {
    private let descriptor: Int32
    private let queue: DispatchQueue
    private let source: any DispatchSourceRead
    private var isPaused = true

    /// How long accepting rests when the process has no descriptor left: without a rest the waiting client would keep
    /// the source firing, and a tenth of a second is soon enough for the client.
    private static let rest = DispatchTimeInterval.milliseconds(100)

    init(_ descriptor: Int32, queue: DispatchQueue) {
        self.descriptor = descriptor
        self.queue = queue
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
    }

    func start(accepted: @escaping @Sendable (Socket) -> Void) {
        source.setEventHandler { [unowned self] in acceptAll(accepted) }
        source.setCancelHandler { [descriptor] in _ = Glibc.close(descriptor) }
        queue.async { self.resume() }
    }

    /// Refuses connections from now on; the socket is closed a little later. To be called once.
    func stop() {
        shutdown(descriptor, Int32(SHUT_RDWR))
        queue.async {
            self.source.cancel()
            // A cancelled source runs its cancel handler only if it is not suspended.
            self.resume()
        }
    }

    private func resume() {
        guard isPaused else { return }
        isPaused = false
        source.resume()
    }

    private func acceptAll(_ accepted: (Socket) -> Void) {
        while !source.isCancelled {
            var address = RawAddress()
            let connection = address.withPointer { Glibc.accept(descriptor, $0, &$1) }
            if connection >= 0 {
                _ = fcntl(connection, F_SETFL, O_NONBLOCK)
                _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
                if address.family != AF_UNIX { disableDelay(connection) }
                accepted(Socket(descriptor: connection, remoteAddress: address.host))
                continue
            }
            switch errno {
            case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                isPaused = true
                source.suspend()
                queue.asyncAfter(deadline: .now() + Self.rest) { self.resume() }
                return
            case EAGAIN, EWOULDBLOCK, EBADF, EINVAL:
                return
            default:
                // What remains are errors of the one connection, such as ECONNABORTED.
                continue
            }
        }
    }

    /// Responses are written whole; waiting for the client's acknowledgement would only delay them.
    private func disableDelay(_ connection: Int32) {
        var on: Int32 = 1
        setsockopt(connection, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }
}
