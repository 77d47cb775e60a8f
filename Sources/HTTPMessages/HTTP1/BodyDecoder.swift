import HTTPTypes

/// Collects fields line by line up to the empty line: a request's header section, then its trailers.
struct FieldSection {
    private(set) var fields: HTTPFields = [:]
    /// Bytes of all lines so far, line ends included; the trailers and chunk extensions count on.
    private(set) var byteCount = 0
    private var lineCount = 0

    /// - Returns: whether the section is complete.
    mutating func read(from input: inout InputBuffer, limits: HTTPLimits) throws(HTTPStatusError) -> Bool {
        let overflow = HTTPStatusError.fieldsTooLarge(limits)
        // HTTPFields cannot hold 65,535 fields or more, whatever the configuration says.
        let most = min(limits.headerFields, 65_000)
        while let line = try input.takeLine(limit: max(0, limits.headerBytes - byteCount), overflow: overflow) {
            if line.isEmpty { return true }
            try count(line.count + 2, limits)
            lineCount += 1
            guard lineCount <= most else { throw overflow }
            fields.append(try FieldLine.parse(input.bytes.span.extracting(line)))
        }
        return false
    }

    /// Counts bytes that are no fields but share their limit.
    mutating func count(_ bytes: Int, _ limits: HTTPLimits) throws(HTTPStatusError) {
        byteCount += bytes
        guard byteCount <= limits.headerBytes else { throw .fieldsTooLarge(limits) }
    }

    /// Begins the trailers: the counts go on, the fields start anew.
    mutating func beginTrailers() {
        fields = [:]
    }
}

/// Collects the body of one request (RFC 9112, sections 6 and 7).
struct BodyDecoder {
    private enum State {
        case bytes(left: Int)
        case chunkSize
        case chunk(left: Int)
        case chunkEnd
        case trailers
    }

    private(set) var collected: [UInt8] = []
    private var state: State
    private let collects: Bool
    private var byteCount = 0

    /// The longest line that announces a chunk, its extensions included: 16 digits need no more, and no client in use
    /// sends extensions.
    private static let chunkLineLimit = 1024
    /// What is reserved on a client's word; the rest grows with what really comes.
    private static let mostReserved = 1 << 20

    /// - Parameter collects: false to follow the body to its end without keeping it.
    init(_ framing: RequestFraming, collects: Bool) {
        self.collects = collects
        switch framing {
        case .chunked: state = .chunkSize
        case .length(let length):
            state = .bytes(left: length)
            if collects { collected.reserveCapacity(min(length, Self.mostReserved)) }
        }
    }

    /// - Returns: whether the body is complete.
    mutating func read(
        from input: inout InputBuffer,
        trailers: inout FieldSection,
        limits: HTTPLimits
    ) throws(HTTPStatusError) -> Bool {
        while true {
            switch state {
            case .bytes(let left):
                let rest = left - take(left, from: &input)
                state = .bytes(left: rest)
                return rest == 0
            case .chunkSize:
                guard let line = try input.takeLine(limit: Self.chunkLineLimit, overflow: .chunkInvalid) else {
                    return false
                }
                let (size, extensions) = try Self.chunkSize(input.bytes.span.extracting(line))
                try trailers.count(extensions, limits)
                guard size <= limits.body - byteCount else { throw .contentTooLarge(limit: limits.body) }
                byteCount += size
                state = size == 0 ? .trailers : .chunk(left: size)
                if size == 0 { trailers.beginTrailers() }
            case .chunk(let left):
                let rest = left - take(left, from: &input)
                state = rest == 0 ? .chunkEnd : .chunk(left: rest)
                if rest > 0 { return false }
            case .chunkEnd:
                guard let line = try input.takeLine(limit: 0, overflow: .chunkInvalid) else { return false }
                guard line.isEmpty else { throw .chunkInvalid }
                state = .chunkSize
            case .trailers:
                guard try trailers.read(from: &input, limits: limits) else { return false }
                let forbidden: [HTTPField.Name] = [.contentLength, .transferEncoding, .hostField, .trailer]
                guard !forbidden.contains(where: trailers.fields.contains) else { throw .fieldLineInvalid }
                return true
            }
        }
    }

    private mutating func take(_ most: Int, from input: inout InputBuffer) -> Int {
        collects ? input.take(most, into: &collected) : input.skip(most)
    }

    /// The size that a chunk's first line announces, and how many bytes of extensions follow it.
    private static func chunkSize(_ line: Span<UInt8>) throws(HTTPStatusError) -> (size: Int, extensions: Int) {
        var size = 0
        var digits = 0
        while digits < line.count, let value = line[digits].hexDigitValue {
            // 15 digits always fit an Int.
            guard digits < 15 else { throw .chunkInvalid }
            size = size << 4 | Int(value)
            digits += 1
        }
        guard digits > 0 else { throw .chunkInvalid }
        let rest = line.trimmed(digits..<line.count)
        guard rest.isEmpty || line[rest.lowerBound] == UInt8(ascii: ";") else { throw .chunkInvalid }
        // Blanks alone after the size are no extension, and not in the grammar.
        guard !rest.isEmpty || digits == line.count else { throw .chunkInvalid }
        for index in rest where !line[index].isFieldContent { throw .chunkInvalid }
        return (size, line.count - digits)
    }
}
