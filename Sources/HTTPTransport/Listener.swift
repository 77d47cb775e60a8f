import Dispatch
import Glibc

/// The listening sockets of one address, and the source that accepts from each.
///
/// All callbacks run on one serial queue.
final class Listener: Sendable {
    let address: SocketAddress
    private let sources: [AcceptSource]
    private let path: String?

    /// Binds and listens; ``start(accepted:)`` begins to accept.
    ///
    /// - Throws: ``SocketError`` naming the call and the address.
    init(_ address: ListenAddress, backlog: Int32) throws(SocketError) {
        var descriptors: [Int32] = []
        do throws(SocketError) {
            switch address {
            case .unix(let path):
                descriptors = [try Self.listen(unixPath: path, backlog)]
                self.address = .unix(path: path)
                self.path = path
            case .tcp(let host, let port):
                path = nil
                var bound: UInt16 = port
                for var candidate in try Self.resolve(host, port) {
                    // The further addresses of a name share the port that the first one was given.
                    candidate.port = bound
                    guard let descriptor = try Self.listen(at: &candidate, host, backlog) else { continue }
                    descriptors.append(descriptor)
                    bound = Self.name(of: descriptor).port
                }
                guard let first = descriptors.first else {
                    throw SocketError("bind \(host):\(port)", errno: EADDRNOTAVAIL)
                }
                let name = Self.name(of: first)
                self.address = .ip(host: name.host ?? host, port: name.port)
            }
        } catch {
            for descriptor in descriptors { Glibc.close(descriptor) }
            throw error
        }
        let queue = DispatchQueue(label: "http.listener")
        sources = descriptors.map { AcceptSource($0, queue: queue) }
    }

    func start(accepted: @escaping @Sendable (Socket) -> Void) {
        for source in sources { source.start(accepted: accepted) }
    }

    /// Stops accepting; the sockets are closed, and a unix socket's file is removed.
    func stop() {
        for source in sources { source.stop() }
        if let path { unlink(path) }
    }

    private static func resolve(_ host: String, _ port: UInt16) throws(SocketError) -> [RawAddress] {
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(port), &hints, &list)
        guard status == 0 else {
            throw SocketError("look up \(host)", reason: String(cString: gai_strerror(status)))
        }
        defer { freeaddrinfo(list) }
        var addresses: [RawAddress] = []
        var next = list
        while let info = next?.pointee {
            if let address = info.ai_addr { addresses.append(RawAddress(copying: address, length: info.ai_addrlen)) }
            next = info.ai_next
        }
        return addresses
    }

    /// - Returns: nil if this machine does not have the address (a name for IPv6 too, without IPv6).
    private static func listen(
        at address: inout RawAddress,
        _ host: String,
        _ backlog: Int32
    ) throws(SocketError) -> Int32? {
        let operation = "bind \(host):\(address.port)"
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, type, 0)
        if descriptor < 0 {
            if errno == EAFNOSUPPORT { return nil }
            throw SocketError(operation, errno: errno)
        }
        set(SOL_SOCKET, SO_REUSEADDR, 1, on: descriptor)
        // The wildcard takes IPv4 too; any other IPv6 address is just that.
        if address.family == AF_INET6 { set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, host == "::" ? 0 : 1, on: descriptor) }
        let bound = address.withPointer { bind(descriptor, $0, $1) }
        guard bound == 0, Glibc.listen(descriptor, backlog) == 0 else {
            let code = errno
            Glibc.close(descriptor)
            if code == EADDRNOTAVAIL { return nil }
            throw SocketError(operation, errno: code)
        }
        return descriptor
    }

    private static func listen(unixPath path: String, _ backlog: Int32) throws(SocketError) -> Int32 {
        let operation = "bind \(path)"
        guard var address = RawAddress(unixPath: path) else { throw SocketError(operation, errno: ENAMETOOLONG) }
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { throw SocketError(operation, errno: errno) }
        var bound = address.withPointer { bind(descriptor, $0, $1) }
        if bound != 0, errno == EADDRINUSE, isAbandoned(path, &address) {
            unlink(path)
            bound = address.withPointer { bind(descriptor, $0, $1) }
        }
        guard bound == 0, Glibc.listen(descriptor, backlog) == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw SocketError(operation, errno: code)
        }
        return descriptor
    }

    /// Whether a socket file has no process behind it. Other files are never taken for one.
    private static func isAbandoned(_ path: String, _ address: inout RawAddress) -> Bool {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else {
            errno = EADDRINUSE
            return false
        }
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard probe >= 0 else { return false }
        let refused = address.withPointer { connect(probe, $0, $1) } != 0 && errno == ECONNREFUSED
        Glibc.close(probe)
        errno = EADDRINUSE
        return refused
    }

    private static func name(of descriptor: Int32) -> RawAddress {
        var address = RawAddress()
        _ = address.withPointer { getsockname(descriptor, $0, &$1) }
        return address
    }

    private static func set(_ level: Int32, _ option: Int32, _ value: Int32, on descriptor: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
