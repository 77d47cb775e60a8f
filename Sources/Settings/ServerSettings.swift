package import Foundation
package import Pipelines

/// Everything that `config/triptych.yaml`, `TRIPTYCH_…` variables and flags decide. The defaults stand here and nowhere else.
package struct Settings: Sendable, Equatable {
    package var server = ServerSettings()
    package var compute = ComputeSettings()
    package var memory = MemorySettings()
    package var jobs = JobSettings()
    package var images = ImageSettings()
    package var models: [ConfiguredModel] = []

    package init() {}
}

/// `server:` — where requests come in and how much of them is accepted.
package struct ServerSettings: Sendable, Equatable {
    package var host = "127.0.0.1"
    /// 0 takes any free port.
    package var port = 8080
    /// Path of a Unix-domain socket; when set, host and port are not used.
    package var unixSocket: URL?
    package var limits = RequestLimits()
    package var corsOrigins: [String] = []
    /// Without keys only loopback addresses are served, unless this is true.
    package var allowPublicWithoutKeys = false
}

/// `server.limits:` — bounds of every buffer that a client fills.
package struct RequestLimits: Sendable, Equatable {
    package var requestLineBytes = 8 << 10
    package var headerFields = 100
    package var headerBytes = 32 << 10
    package var bodyBytes = 64 << 20
    /// Time for a request's head to arrive, in seconds.
    package var headerSeconds = 10.0
    /// Time that an idle connection is kept, in seconds.
    package var idleSeconds = 75.0
    package var connections = 10_000
}

/// `compute:` — the cores.
package struct ComputeSettings: Sendable, Equatable {
    /// nil takes every core.
    package var threads: Int?
}

/// `memory:` — how much of the machine the weights may take.
package struct MemorySettings: Sendable, Equatable {
    /// Bytes of weights kept loaded; nil derives it from the machine's memory.
    package var budgetBytes: Int?
}

/// `jobs:` — where jobs live and for how long.
package struct JobSettings: Sendable, Equatable {
    /// The SQLite file; results live in a folder beside it.
    package var path = URL(fileURLWithPath: "state/jobs.sqlite")
    /// Jobs that may wait; one more is refused with 429.
    package var queue = 64
    package var keepHours = 24.0
    package var keepBytes = 2 << 30
}

/// `images:` — pictures that requests bring.
package struct ImageSettings: Sendable, Equatable {
    package var maxPixels = 67_108_864
}

/// What is wrong with a configuration, and where.
package struct SettingsError: Error, Equatable, CustomStringConvertible {
    /// Where the value came from: a file with line, a variable, a flag.
    package var source: String
    /// Dotted path of the key, such as `server.limits.body`.
    package var key: String?
    package var reason: String

    package var description: String {
        [source, key, reason].compactMap(\.self).joined(separator: ": ")
    }
}
