import Glibc

/// The address that a server is bound to.
package enum SocketAddress: Sendable, Equatable, CustomStringConvertible {
    case ip(host: String, port: UInt16)
    case unix(path: String)

    package var description: String {
        switch self {
        case .ip(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): path
        }
    }

    /// The port, if there is one.
    package var port: UInt16? {
        if case .ip(_, let port) = self { port } else { nil }
    }
}

/// A `sockaddr` with the room that any family needs.
struct RawAddress {
    private var storage = sockaddr_storage()
    private(set) var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

    init() {}

    init(copying address: UnsafePointer<sockaddr>, length: socklen_t) {
        precondition(length <= self.length, "an address larger than sockaddr_storage")
        self.length = length
        withUnsafeMutableBytes(of: &storage) { $0.copyMemory(from: .init(start: address, count: Int(length))) }
    }

    /// - Returns: nil if the path does not fit: 107 bytes and a NUL.
    init?(unixPath path: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { room in
            guard path.utf8.count < room.count, !path.utf8.contains(0), !path.isEmpty else { return false }
            room.copyBytes(from: path.utf8)
            return true
        }
        guard fits else { return nil }
        length = socklen_t(MemoryLayout<sockaddr_un>.size)
        withUnsafeMutableBytes(of: &storage) { target in
            withUnsafeBytes(of: address) { target.copyMemory(from: $0) }
        }
    }

    /// Calls `body` with the address as the socket calls want it, to be read or to be filled in.
    mutating func withPointer<Result>(_ body: (UnsafeMutablePointer<sockaddr>, inout socklen_t) -> Result) -> Result {
        var length = length
        defer { self.length = length }
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
    }

    var family: Int32 { Int32(storage.ss_family) }

    var port: UInt16 {
        get {
            withUnsafeBytes(of: storage) { bytes in
                switch family {
                // The port stands behind the family in both.
                case AF_INET, AF_INET6: UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
                default: 0
                }
            }
        }
        set {
            withUnsafeMutableBytes(of: &storage) { bytes in
                bytes.storeBytes(of: newValue.bigEndian, toByteOffset: 2, as: UInt16.self)
            }
        }
    }

    /// The numeric host of an IP address, nil for other families. IPv4 addresses mapped into IPv6 are written as IPv4.
    var host: String? {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let found = withUnsafeBytes(of: storage) { bytes -> UnsafePointer<CChar>? in
            guard let base = bytes.baseAddress else { return nil }
            switch family {
            case AF_INET: return inet_ntop(AF_INET, base + 4, &text, socklen_t(text.count))
            case AF_INET6: return inet_ntop(AF_INET6, base + 8, &text, socklen_t(text.count))
            default: return nil
            }
        }
        guard found != nil else { return nil }
        let host = text.withUnsafeBufferPointer { text in
            String(decoding: text.lazy.map { UInt8(bitPattern: $0) }.prefix { $0 != 0 }, as: UTF8.self)
        }
        return host.hasPrefix("::ffff:") && host.contains(".") ? String(host.dropFirst(7)) : host
    }
}
