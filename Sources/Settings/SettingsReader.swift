import Configuration
package import Foundation
import Pipelines

/// Reads the settings: flags over `TRIPTYCH_…` variables over the file over the defaults.
package struct SettingsReader {
    private let file: SettingsFile?
    private let fileReader: ConfigReader
    private let overrides: ConfigReader
    private let flagKeys: Set<String>
    private let workingDirectory: URL

    /// - Parameters:
    ///   - file: The YAML file, or nil for defaults alone.
    ///   - flags: Values given on the command line, by dotted key (`server.port`).
    ///   - environment: The process's variables; `jobs.path` is read from `TRIPTYCH_JOBS_PATH`.
    ///   - workingDirectory: What relative paths in flags and variables are relative to.
    /// - Throws: `SettingsError` naming file, line and key.
    package static func read(
        file: URL?,
        flags: [String: String] = [:],
        environment: [String: String] = ProcessInfo.processInfo.environment,
        workingDirectory: URL = URL(fileURLWithPath: FileManager.default.currentDirectoryPath)
    ) throws -> Settings {
        let file = try file.map(SettingsFile.init(contentsOf:))
        return try SettingsReader(file, flags: flags, environment: environment, workingDirectory: workingDirectory)
            .settings()
    }

    private init(
        _ file: SettingsFile?,
        flags: [String: String],
        environment: [String: String],
        workingDirectory: URL
    ) {
        self.file = file
        self.workingDirectory = workingDirectory
        flagKeys = Set(flags.keys)
        fileReader = ConfigReader(provider: InMemoryProvider(name: "file", values: file?.values ?? [:]))
        let flagValues = flags.map {
            (
                AbsoluteConfigKey($0.key.split(separator: ".").map(String.init)),
                ConfigValue(.string($0.value), isSecret: false)
            )
        }
        overrides = ConfigReader(providers: [
            InMemoryProvider(name: "flags", values: Dictionary(uniqueKeysWithValues: flagValues)),
            EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "triptych"),
        ])
    }

    private func settings() throws -> Settings {
        var settings = Settings()
        try readServer(&settings.server)
        settings.compute.threads = try automatic("compute.threads") { try integer($0, in: 1...1024) }
        settings.memory.budgetBytes = try automatic("memory.budget") { try byteCount($0) }
        try readJobs(&settings.jobs)
        settings.images.maxPixels = try integer("images.max_pixels", in: 1...(1 << 31)) ?? settings.images.maxPixels
        try refuse(list: "images.hosts", because: "fetching pictures from other hosts is not supported yet")
        let modelsRoot = try path("models_root")
        if let file {
            let decoder = ModelEntryDecoder(file: file.url, modelsRoot: modelsRoot)
            for (index, node) in file.models.enumerated() {
                let names = Set(settings.models.map(\.name))
                settings.models.append(decoder.decode(node, index: index, taken: names))
            }
        }
        return settings
    }

    private func readServer(_ server: inout ServerSettings) throws {
        server.host = text("server.host")?.value ?? server.host
        server.port = try integer("server.port", in: 0...65_535) ?? server.port
        server.unixSocket = try path("server.unix")
        let defaults = server.limits
        server.limits.requestLineBytes = try byteCount("server.limits.request_line") ?? defaults.requestLineBytes
        server.limits.headerFields = try integer("server.limits.header_fields", in: 1...10_000) ?? defaults.headerFields
        server.limits.headerBytes = try byteCount("server.limits.header_bytes") ?? defaults.headerBytes
        server.limits.bodyBytes = try byteCount("server.limits.body") ?? defaults.bodyBytes
        server.limits.headerSeconds = try seconds("server.limits.header_seconds") ?? defaults.headerSeconds
        server.limits.idleSeconds = try seconds("server.limits.idle_seconds") ?? defaults.idleSeconds
        server.limits.connections = try integer("server.limits.connections", in: 1...1_000_000) ?? defaults.connections
        server.allowPublicWithoutKeys =
            try boolean("server.allow_public_without_keys") ?? server.allowPublicWithoutKeys
        try refuse(list: "server.cors.origins", because: "CORS is not supported yet")
        // A key that is configured but not enforced would be worse than none.
        try refuse(list: "server.keys", because: "API keys are not supported yet")
    }

    private func readJobs(_ jobs: inout JobSettings) throws {
        switch text("jobs.store") {
        case nil, ("sqlite", _)?: break
        case ("postgres", let source)?:
            throw SettingsError(source: source, key: "jobs.store", reason: "postgres is not supported yet")
        case (let value, let source)?:
            throw SettingsError(source: source, key: "jobs.store", reason: "must be sqlite or postgres, not \(value)")
        }
        if let (_, source) = text("jobs.url") {
            throw SettingsError(
                source: source,
                key: "jobs.url",
                reason: "belongs to the store postgres, not supported yet"
            )
        }
        jobs.path = try path("jobs.path") ?? Self.resolve("../state/jobs.sqlite", against: fileFolder)
        jobs.queue = try integer("jobs.queue", in: 1...1_000_000) ?? jobs.queue
        jobs.keepHours = try positive("jobs.keep.hours", unit: "hours") ?? jobs.keepHours
        jobs.keepBytes = try byteCount("jobs.keep.bytes") ?? jobs.keepBytes
        try refuse(list: "jobs.webhook_hosts", because: "webhooks are not supported yet")
    }

    // MARK: Values

    /// The folder that relative paths in the file, and the defaults, are relative to.
    private var fileFolder: URL {
        file?.url.deletingLastPathComponent() ?? workingDirectory.appendingPathComponent("config")
    }

    /// The text of a key and where it came from.
    private func text(_ key: String) -> (value: String, source: String)? {
        let configKey = ConfigKey(key)
        if let value = overrides.string(forKey: configKey) { return (value, overrideSource(of: key)) }
        if let value = fileReader.string(forKey: configKey) { return (value, fileSource(of: key)) }
        return nil
    }

    private func overrideSource(of key: String) -> String {
        if flagKeys.contains(key) { return "--" + (key.split(separator: ".").last.map(String.init) ?? key) }
        return "TRIPTYCH_" + key.replacing(".", with: "_").uppercased()
    }

    private func fileSource(of key: String) -> String {
        guard let file else { return "configuration" }
        return file.url.path + (file.lines[key].map { ":\($0)" } ?? "")
    }

    private func refuse(list key: String, because reason: String) throws {
        let configKey = ConfigKey(key)
        if overrides.stringArray(forKey: configKey)?.isEmpty == false {
            throw SettingsError(source: overrideSource(of: key), key: key, reason: reason)
        }
        if fileReader.stringArray(forKey: configKey)?.isEmpty == false {
            throw SettingsError(source: fileSource(of: key), key: key, reason: reason)
        }
    }

    private func automatic<Value>(_ key: String, _ read: (String) throws -> Value?) throws -> Value? {
        text(key)?.value == "auto" ? nil : try read(key)
    }

    private func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
        try parse(key, "a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
            Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    private func positive(_ key: String, unit: String) throws -> Double? {
        try parse(key, "a number of \(unit) above 0") { text in
            Double(text).flatMap { $0.isFinite && $0 > 0 && $0 < 1e9 ? $0 : nil }
        }
    }

    private func seconds(_ key: String) throws -> Double? { try positive(key, unit: "seconds") }

    private func boolean(_ key: String) throws -> Bool? {
        try parse(key, "true or false") { ["true": true, "false": false][$0.lowercased()] }
    }

    private func byteCount(_ key: String) throws -> Int? {
        try parse(key, "a size such as 64MiB, 2GiB or a number of bytes", ByteCount.parse)
    }

    private func parse<Value>(_ key: String, _ expected: String, _ read: (String) -> Value?) throws -> Value? {
        guard let (value, source) = text(key) else { return nil }
        guard let parsed = read(value) else {
            throw SettingsError(source: source, key: key, reason: "must be \(expected), not \"\(value)\"")
        }
        return parsed
    }

    private func path(_ key: String) throws -> URL? {
        guard let (value, source) = text(key) else { return nil }
        guard !value.isEmpty else { throw SettingsError(source: source, key: key, reason: "must not be empty") }
        let isOverride = overrides.string(forKey: ConfigKey(key)) != nil
        return Self.resolve(value, against: isOverride ? workingDirectory : fileFolder)
    }

    /// An absolute path without `..`; a leading `~/` is the home folder.
    static func resolve(_ path: String, against folder: URL) -> URL {
        let expanded = path.hasPrefix("~/") ? NSString(string: path).expandingTildeInPath : path
        return URL(fileURLWithPath: expanded, relativeTo: URL(fileURLWithPath: folder.path, isDirectory: true))
            .absoluteURL.standardizedFileURL
    }
}

/// Sizes as people write them: `512`, `8KiB`, `64 MiB`, `2GB`.
enum ByteCount {
    private static let units: [(suffix: String, factor: Int)] = [
        ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
        ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1),
    ]

    /// More than any machine has; sums of a few sizes stay within an `Int`.
    private static let limit = 1 << 50

    /// Bytes, or nil where the text is no size, is not above 0, or is beyond the limit.
    static func parse(_ text: String) -> Int? {
        let unit = units.first { text.hasSuffix($0.suffix) }
        let digits = text.dropLast(unit?.suffix.count ?? 0).trimmingCharacters(in: .whitespaces)
        guard let number = Int(digits), number > 0 else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit?.factor ?? 1)
        return overflow || bytes > limit ? nil : bytes
    }
}
