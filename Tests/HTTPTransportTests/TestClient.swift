import Dispatch
import Glibc
import HTTPTransport

/// A client on a blocking socket with a queue of its own, so that waiting blocks no thread that a server needs.
///
/// `@unchecked` because the buffer is only touched on the serial queue.
final class TestClient: @unchecked Sendable {
    private let descriptor: Int32
    private let queue = DispatchQueue(label: "test.client")
    private var buffer: [UInt8] = []

    struct Failure: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) { self.description = description }
    }

    struct Reply: Sendable {
        var status = 0
        var fields: [String: String] = [:]
        var body: [UInt8] = []
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    init(_ address: SocketAddress) throws {
        var storage = sockaddr_storage()
        let length: Int
        switch address {
        case .ip(let host, let port):
            if host.contains(":") {
                var address = sockaddr_in6()
                address.sin6_family = sa_family_t(AF_INET6)
                address.sin6_port = port.bigEndian
                inet_pton(AF_INET6, host, &address.sin6_addr)
                length = MemoryLayout.size(ofValue: address)
                withUnsafeMutableBytes(of: &storage) { target in
                    withUnsafeBytes(of: address) { target.copyMemory(from: $0) }
                }
            } else {
                var address = sockaddr_in()
                address.sin_family = sa_family_t(AF_INET)
                address.sin_port = port.bigEndian
                inet_pton(AF_INET, host, &address.sin_addr)
                length = MemoryLayout.size(ofValue: address)
                withUnsafeMutableBytes(of: &storage) { target in
                    withUnsafeBytes(of: address) { target.copyMemory(from: $0) }
                }
            }
        case .unix(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            length = MemoryLayout.size(ofValue: address)
            withUnsafeMutableBytes(of: &storage) { target in
                withUnsafeBytes(of: address) { target.copyMemory(from: $0) }
            }
        }
        descriptor = socket(Int32(storage.ss_family), Int32(SOCK_STREAM.rawValue), 0)
        // Long enough for a busy machine; a server that never answers fails the test instead of hanging it.
        var timeout = timeval(tv_sec: 300, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        let status = withUnsafePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(length)) }
        }
        guard status == 0 else {
            let reason = String(cString: strerror(errno))
            Glibc.close(descriptor)
            throw Failure("connect: \(reason)")
        }
    }

    deinit { Glibc.close(descriptor) }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) async throws {
        try await onQueue { client in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes {
                    Glibc.send(client.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { throw Failure("send: \(String(cString: strerror(errno)))") }
                rest = rest.dropFirst(count)
            }
        }
    }

    /// Sends nothing more, but still reads.
    func endOutput() async throws {
        try await onQueue { _ = shutdown($0.descriptor, Int32(SHUT_WR)) }
    }

    /// Hangs up. Reading and sending afterwards is not possible.
    func hangUp() async throws {
        try await onQueue { client in
            // Another descriptor in its place, so that the number is not somebody else's when this object closes it.
            let null = open("/dev/null", O_RDWR)
            dup2(null, client.descriptor)
            Glibc.close(null)
        }
    }

    /// The next response; an interim one counts as one without a body.
    func reply(toHead: Bool = false) async throws -> Reply {
        try await onQueue { try $0.readReply(toHead) }
    }

    /// All bytes up to the end of the connection.
    func rest() async throws -> String {
        try await onQueue { client in
            while try client.fill() {}
            defer { client.buffer = [] }
            return String(decoding: client.buffer, as: UTF8.self)
        }
    }

    /// The next `count` bytes.
    func bytes(_ count: Int) async throws -> [UInt8] {
        try await onQueue { try $0.take(count) }
    }

    private func onQueue<Result: Sendable>(
        _ work: @escaping @Sendable (TestClient) throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Swift.Result { try work(self) }) }
        }
    }

    /// - Returns: false at the end of the connection.
    private func fill() throws -> Bool {
        var piece = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &piece, piece.count, 0)
        if count < 0 { throw Failure("recv: \(String(cString: strerror(errno)))") }
        buffer += piece[..<count]
        return count > 0
    }

    private func take(_ count: Int) throws -> [UInt8] {
        while buffer.count < count {
            guard try fill() else { throw Failure("the connection ended after \(buffer.count) of \(count) bytes") }
        }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    private func takeLine() throws -> String {
        while true {
            if let end = buffer.firstIndex(of: 10) {
                return String(decoding: try take(end + 1).dropLast(2), as: UTF8.self)
            }
            guard try fill() else { throw Failure("the connection ended within a line") }
        }
    }

    private func readReply(_ toHead: Bool) throws -> Reply {
        var reply = Reply()
        let parts = try takeLine().split(separator: " ")
        guard parts.count > 1, parts[0] == "HTTP/1.1", let status = Int(parts[1]) else {
            throw Failure("no status line")
        }
        reply.status = status
        while case let line = try takeLine(), !line.isEmpty {
            let field = line.split(separator: ":", maxSplits: 1)
            reply.fields[field[0].lowercased()] = String(field[1].drop { $0 == " " })
        }
        if toHead || status < 200 || status == 204 || status == 304 { return reply }
        if let length = reply.fields["content-length"].flatMap(Int.init) {
            reply.body = try take(length)
        } else if reply.fields["transfer-encoding"] == "chunked" {
            while let size = Int(try takeLine(), radix: 16), size > 0 {
                reply.body += try take(size)
                guard try takeLine().isEmpty else { throw Failure("a chunk does not end where it said") }
            }
            guard try takeLine().isEmpty else { throw Failure("trailers") }
        } else {
            while try fill() {}
            (reply.body, buffer) = (buffer, [])
        }
        return reply
    }
}
