package import Foundation

/// Reads `config.json` and its like.
package enum ConfigurationFile {
    /// Real ones are a few kilobytes; an index of shards reaches a megabyte or two.
    private static let maximumBytes = 64 << 20

    /// Decodes a file. The bare literals `NaN` and `-Infinity`, which Python writes, are understood.
    /// - Throws: `CheckpointError.configuration` naming the JSON path, or `.unreadableFile`.
    package static func decode<Value: Decodable>(_ type: Value.Type, at url: URL) throws(CheckpointError) -> Value {
        try decode(type, from: data(at: url), file: url.path)
    }

    /// The bytes of a configuration, for those who decode them themselves.
    package static func data(at url: URL) throws(CheckpointError) -> Data {
        let file = try MappedFile(url)
        guard file.bytes.count <= maximumBytes else {
            throw .malformedFile(file: url.path, reason: "longer than \(maximumBytes) bytes")
        }
        return Data(file.bytes)
    }

    /// Decodes bytes that came from `file`.
    package static func decode<Value: Decodable>(
        _ type: Value.Type,
        from data: Data,
        file: String
    ) throws(CheckpointError) -> Value {
        let decoder = JSONDecoder()
        // JSON5 is the superset that has these literals; nothing else of it is asked for.
        decoder.allowsJSON5 = true
        do {
            return try decoder.decode(type, from: data)
        } catch let error as DecodingError {
            throw .configuration(file: file, path: error.jsonPath, reason: error.reason)
        } catch {
            throw .configuration(file: file, path: "", reason: "\(error)")
        }
    }
}

extension DecodingError {
    fileprivate var jsonPath: String {
        let keys: [any CodingKey] =
            switch self {
            case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
                context.codingPath
            case .keyNotFound(let key, let context): context.codingPath + [key]
            @unknown default: []
            }
        return keys.reduce("") { path, key in
            if let index = key.intValue { return "\(path)[\(index)]" }
            return path.isEmpty ? key.stringValue : "\(path).\(key.stringValue)"
        }
    }

    fileprivate var reason: String {
        switch self {
        case .keyNotFound: "is missing"
        case .valueNotFound(let type, _): "is null, expected \(type)"
        case .typeMismatch(let type, _): "expected \(type)"
        case .dataCorrupted(let context): context.debugDescription
        @unknown default: "\(self)"
        }
    }
}

extension KeyedDecodingContainer {
    /// An integer within a range. A missing or null value takes the default, where there is one.
    package func integer(_ key: Key, in range: ClosedRange<Int>, default value: Int? = nil) throws -> Int {
        let number = try value.map { try decodeIfPresent(Int.self, forKey: key) ?? $0 } ?? decode(Int.self, forKey: key)
        guard range.contains(number) else {
            throw invalid(key, "\(number) is not within \(range.lowerBound)…\(range.upperBound)")
        }
        return number
    }

    /// A finite number within a range. A missing or null value takes the default, where there is one.
    package func number(_ key: Key, in range: ClosedRange<Double>, default value: Double? = nil) throws -> Double {
        let number =
            try value.map { try decodeIfPresent(Double.self, forKey: key) ?? $0 } ?? decode(Double.self, forKey: key)
        guard range.contains(number) else {
            throw invalid(key, "\(number) is not within \(range.lowerBound)…\(range.upperBound)")
        }
        return number
    }

    /// Whether the key is there with a value other than null.
    package func holds(_ key: Key) throws -> Bool {
        try contains(key) && !decodeNil(forKey: key)
    }

    /// The error for a value that is there and can't be used.
    package func invalid(_ key: Key, _ reason: String) -> DecodingError {
        .dataCorruptedError(forKey: key, in: self, debugDescription: reason)
    }
}

extension ClosedRange where Bound == Int {
    /// Widths, counts and lengths of a network: above any real one, and small enough that products of three can't overflow.
    package static var networkSize: ClosedRange<Int> { 1...(1 << 20) }
}
