/// The keys of the configuration file outside `models:`. A key that is not here is an error.
enum SettingsSchema {
    /// What a key holds in the file.
    enum Kind {
        /// One value, as text.
        case scalar
        /// A list of values, as text.
        case list
    }

    static let keys: [String: Kind] = [
        "server.host": .scalar,
        "server.port": .scalar,
        "server.unix": .scalar,
        "server.limits.request_line": .scalar,
        "server.limits.header_fields": .scalar,
        "server.limits.header_bytes": .scalar,
        "server.limits.body": .scalar,
        "server.limits.header_seconds": .scalar,
        "server.limits.idle_seconds": .scalar,
        "server.limits.connections": .scalar,
        "server.cors.origins": .list,
        "server.keys": .list,
        "server.allow_public_without_keys": .scalar,
        "compute.threads": .scalar,
        "memory.budget": .scalar,
        "jobs.store": .scalar,
        "jobs.url": .scalar,
        "jobs.path": .scalar,
        "jobs.queue": .scalar,
        "jobs.keep.hours": .scalar,
        "jobs.keep.bytes": .scalar,
        "jobs.webhook_hosts": .list,
        "images.hosts": .list,
        "images.max_pixels": .scalar,
        "models_root": .scalar,
    ]

    /// Sections are the proper prefixes of the keys: `server`, `server.limits`, …
    static let sections: Set<String> = Set(
        keys.keys.flatMap { key -> [String] in
            let parts = key.split(separator: ".")
            return (1..<max(1, parts.count)).map { parts.prefix($0).joined(separator: ".") }
        }
    )

    /// The known key nearest to a misspelt one, for the error's hint.
    static func suggestion(for key: String, among candidates: some Sequence<String>) -> String? {
        let nearest = candidates.map { ($0, editDistance(key, $0)) }.min { ($0.1, $0.0) < ($1.1, $1.0) }
        guard let nearest, nearest.1 <= max(1, key.count / 3) else { return nil }
        return nearest.0
    }

    /// Levenshtein distance in Unicode scalars.
    private static func editDistance(_ first: String, _ second: String) -> Int {
        let first = Array(first.unicodeScalars), second = Array(second.unicodeScalars)
        var row = Array(0...second.count)
        for i in first.indices {
            var diagonal = row[0]
            row[0] = i + 1
            for j in second.indices {
                let substitution = diagonal + (first[i] == second[j] ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substitution, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[second.count]
    }
}
