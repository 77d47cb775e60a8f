/// The path of a route: `/v1/jobs/{id}/cancel`. A segment in braces is a parameter and matches any one segment that is
/// not empty.
struct PathPattern {
    enum Segment: Equatable {
        case literal(String)
        case parameter(String)
    }

    let segments: [Segment]

    /// - Precondition: the pattern starts with a slash and names each parameter once; patterns are written in code.
    init(_ pattern: String) {
        precondition(pattern.hasPrefix("/"), "the pattern \(pattern) does not start with a slash")
        segments = pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map { segment in
            segment.hasPrefix("{") && segment.hasSuffix("}")
                ? .parameter(String(segment.dropFirst().dropLast())) : .literal(String(segment))
        }
        let names = segments.compactMap { if case .parameter(let name) = $0 { name } else { nil } }
        precondition(Set(names).count == names.count && !names.contains(""), "bad parameters in \(pattern)")
    }
}

/// The values of a route's parameters, percent-encoding removed.
package struct PathParameters: Sendable, Equatable {
    private let values: [String: String]

    package init(_ values: [String: String] = [:]) {
        self.values = values
    }

    /// The value of the parameter `{name}` of the route's own pattern.
    ///
    /// - Precondition: the pattern has that parameter.
    package subscript(name: String) -> String {
        guard let value = values[name] else { preconditionFailure("the route has no parameter \(name)") }
        return value
    }
}
