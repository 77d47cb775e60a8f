/// What a `Range` field asks for (RFC 9110, section 14).
enum ByteRange: Equatable {
    case whole
    case part(Range<Int>)
    case unsatisfiable

    /// - Parameters:
    ///   - field: the request's `Range`; several ranges, other units and bad syntax count as no range, which the RFC
    ///     allows.
    ///   - count: bytes of the content.
    init(_ field: String?, count: Int) {
        guard let field, field.hasPrefix("bytes="), !field.contains(",") else {
            self = .whole
            return
        }
        let bounds = field.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard bounds.count == 2, bounds.allSatisfy(\.isDigits) else {
            self = .whole
            return
        }
        // A number too large for an Int lies beyond any content.
        switch (bounds[0].isEmpty, bounds[1].isEmpty) {
        case (true, true): self = .whole
        case (true, false):
            let suffix = min(Int(bounds[1]) ?? .max, count)
            self = suffix == 0 ? .unsatisfiable : .part(count - suffix..<count)
        case (false, let isOpen):
            let first = Int(bounds[0]) ?? .max
            let last = isOpen ? .max : Int(bounds[1]) ?? .max
            if first > last {
                self = .whole
            } else if first >= count {
                self = .unsatisfiable
            } else {
                self = .part(first..<min(last, count - 1) + 1)
            }
        }
    }
}
