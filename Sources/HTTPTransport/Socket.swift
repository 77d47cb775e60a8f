import Glibc

/// A connected, non-blocking stream socket. It does not close itself: its connection does, once no source watches it.
struct Socket: Sendable {
    let descriptor: Int32
    /// Whether the peer is reached over IP, and its numeric address if so.
    let remoteAddress: String?

    enum Received {
        case bytes(Int)
        case wouldBlock
        /// The client sends nothing more; it may still read.
        case end
        /// The connection is broken.
        case failed
    }

    enum Sent {
        case bytes(Int)
        case wouldBlock
        case failed
    }

    func receive(into buffer: UnsafeMutableRawBufferPointer) -> Received {
        while true {
            let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if count > 0 { return .bytes(count) }
            if count == 0 { return .end }
            if errno == EINTR { continue }
            return errno == EAGAIN || errno == EWOULDBLOCK ? .wouldBlock : .failed
        }
    }

    /// - Parameter moreFollows: keeps the kernel from sending a small packet of its own for these bytes.
    func send(_ bytes: ArraySlice<UInt8>, moreFollows: Bool = false) -> Sent {
        // A client that is gone is an error here, not a signal that ends the process.
        let flags = Int32(MSG_NOSIGNAL) | (moreFollows ? Int32(MSG_MORE) : 0)
        while true {
            let count = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, flags) }
            if count >= 0 { return .bytes(count) }
            if errno == EINTR { continue }
            return errno == EAGAIN || errno == EWOULDBLOCK ? .wouldBlock : .failed
        }
    }

    /// Whether both directions are gone: the peer closed a unix socket, or answered bytes with a reset.
    var isHungUp: Bool {
        var poll = pollfd(fd: descriptor, events: 0, revents: 0)
        return Glibc.poll(&poll, 1, 0) == 1 && Int32(poll.revents) & (POLLHUP | POLLERR) != 0
    }

    /// Tells the client that nothing more comes, while what it still sends can be read.
    func endOutput() {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    func close() {
        Glibc.close(descriptor)
    }
}
