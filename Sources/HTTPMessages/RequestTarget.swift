/// The target of a request, taken apart: path segments and query items with their percent-encoding removed.
///
/// The path is split before it is decoded, so that `%2F` stays within its segment. Dot segments are not resolved: no
/// route contains one.
package struct RequestTarget: Sendable, Equatable {
    /// The target as it was sent.
    package let raw: String
    /// The authority of an absolute-form target (`http://host:port/…`); it takes the place of `Host`.
    package let authority: String?
    /// The decoded segments between the slashes: `/v1/models` is `["v1", "models"]`, `/` is `[""]`, `*` is `["*"]`.
    package let segments: [String]
    /// The decoded items of the query, in order. An item without `=` has an empty value.
    package let query: [QueryItem]

    package struct QueryItem: Sendable, Equatable {
        package let name: String
        package let value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Reads an origin-form (`/path?query`), absolute-form (`http://host/path?query`) or asterisk-form (`*`) target.
    ///
    /// - Throws: ``HTTPStatusError`` 400 for any other form, a fragment, characters outside visible ASCII, bad
    ///   percent-encoding, or encodings of NUL or of bytes that are not UTF-8.
    package init(_ raw: String) throws(HTTPStatusError) {
        guard raw.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }) else {
            throw .target("The target contains characters that a target cannot have.")
        }
        self.raw = raw
        if raw == "*" {
            (authority, segments, query) = (nil, ["*"], [])
            return
        }
        var rest = raw.utf8[...]
        (authority, rest) = try Self.splitAuthority(rest)
        let mark = rest.firstIndex(of: UInt8(ascii: "?"))
        segments = try Self.decodeSegments(rest[..<(mark ?? rest.endIndex)])
        query =
            try mark.map { mark throws(HTTPStatusError) in try Self.decodeQuery(rest[rest.index(after: mark)...]) }
            ?? []
    }

    /// The decoded path; a slash inside a segment is not told apart from one between segments.
    package var path: String {
        segments == ["*"] ? "*" : "/" + segments.joined(separator: "/")
    }

    private static func splitAuthority(
        _ bytes: Substring.UTF8View
    ) throws(HTTPStatusError) -> (authority: String?, rest: Substring.UTF8View) {
        if bytes.first == UInt8(ascii: "/") { return (nil, bytes) }
        let schemes: [StaticString] = ["http://", "https://"]
        guard let scheme = schemes.first(where: { bytes.hasPrefix(ignoringCase: $0) }) else {
            throw .target("The target is neither a path nor an http URL.")
        }
        let rest = bytes.dropFirst(scheme.utf8CodeUnitCount)
        let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
        let authority = String(Substring(rest[..<end]))
        guard !authority.isEmpty, isAuthority(authority) else { throw .target("The target's authority is invalid.") }
        return (authority, rest[end...])
    }

    private static func decodeSegments(_ path: Substring.UTF8View) throws(HTTPStatusError) -> [String] {
        var segments: [String] = []
        for segment in path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            guard let decoded = PercentEncoding.decode(segment) else {
                throw .target("The path's percent-encoding is invalid.")
            }
            segments.append(decoded)
        }
        return segments
    }

    private static func decodeQuery(_ query: Substring.UTF8View) throws(HTTPStatusError) -> [QueryItem] {
        var items: [QueryItem] = []
        for item in query.split(separator: UInt8(ascii: "&")) {
            let equals = item.firstIndex(of: UInt8(ascii: "="))
            let value = equals.map { item[item.index(after: $0)...] } ?? item[item.endIndex...]
            guard let name = PercentEncoding.decode(item[..<(equals ?? item.endIndex)], plusIsSpace: true),
                let value = PercentEncoding.decode(value, plusIsSpace: true)
            else { throw .target("The query's percent-encoding is invalid.") }
            items.append(QueryItem(name: name, value: value))
        }
        return items
    }

    /// Whether `text` is `host`, `host:port`, `[v6]` or `[v6]:port` (RFC 3986, 3.2) without user information; empty
    /// is allowed, as it is for `Host`.
    static func isAuthority(_ text: String) -> Bool {
        var host = text.utf8[...]
        if let colon = host.lastIndex(of: UInt8(ascii: ":")), !host[colon...].contains(UInt8(ascii: "]")) {
            guard host[host.index(after: colon)...].allSatisfy(\.isDigit) else { return false }
            host = host[..<colon]
        }
        if host.first == UInt8(ascii: "[") {
            return host.last == UInt8(ascii: "]")
                && host.dropFirst().dropLast().allSatisfy { $0.isHexDigit || $0 == 0x3A || $0 == 0x2E }
        }
        // unreserved, sub-delims and % of RFC 3986
        let marks = "-._~!$&'()*+,;=%".utf8
        return host.allSatisfy { $0.isDigit || $0.isLetter || marks.contains($0) }
    }
}
