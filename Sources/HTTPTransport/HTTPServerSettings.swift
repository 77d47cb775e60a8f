package import HTTPMessages

/// Where a server listens.
package enum ListenAddress: Sendable, Equatable {
    /// A name or numeric address, IPv4 or IPv6; port 0 takes any free port. `::` takes IPv4 too.
    case tcp(host: String, port: UInt16)
    /// A unix socket at that path. A socket left behind by a process that is gone is replaced.
    case unix(path: String)
}

/// What an ``HTTPServer`` is told besides its handler.
package struct HTTPServerSettings: Sendable {
    package var address: ListenAddress
    package var limits = HTTPLimits()
    /// Connections the kernel keeps until they are accepted.
    package var backlog: Int32 = 1024
    /// Bytes read of a client's next requests while one is handled; beyond it the client's sending is held back.
    package var readAhead = 64 << 10

    package init(address: ListenAddress) {
        self.address = address
    }
}
