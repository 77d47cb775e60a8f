import Tensors

/// The header of a safetensors file: an object of `name: {dtype, shape, data_offsets}` and string metadata.
///
/// Scanned by hand and strictly: a general JSON parser would drop duplicate keys in silence, accept numbers that are no
/// integers, and build a tree from a hostile file first. This scanner never recurses and takes memory in proportion
/// to the tensors it has seen.
struct SafetensorsHeader {
    struct Entry: Equatable {
        var name: String
        var dtype: DType
        var shape: [Int]
        /// Relative to the first byte after the header.
        var offsets: Range<Int>
    }

    var entries: [Entry] = []
    var metadata: [String: String] = [:]

    /// - Throws: `HeaderError` saying what breaks the format, and where.
    init(scanning bytes: UnsafeRawBufferPointer) throws(HeaderError) {
        var scanner = HeaderScanner(bytes: bytes)
        var names: Set<String> = []
        try scanner.object { (scanner, name) throws(HeaderError) in
            guard names.insert(name).inserted else { throw HeaderError("key \"\(name)\" appears twice") }
            if name == "__metadata__" {
                try scanner.object { (scanner, key) throws(HeaderError) in
                    let value = try scanner.string()
                    guard metadata.updateValue(value, forKey: key) == nil else {
                        throw HeaderError("key \"\(key)\" of __metadata__ appears twice")
                    }
                }
            } else {
                entries.append(try Self.entry(name, &scanner))
            }
        }
        try scanner.end()
    }

    private static func entry(_ name: String, _ scanner: inout HeaderScanner) throws(HeaderError) -> Entry {
        var dtype: DType?
        var shape: [Int]?
        var offsets: [Int]?
        try scanner.object { (scanner, field) throws(HeaderError) in
            switch field {
            case "dtype" where dtype == nil:
                let spelling = try scanner.string()
                dtype = DType(rawValue: spelling)
                guard dtype != nil else { throw HeaderError("tensor \(name) has unsupported dtype \"\(spelling)\"") }
            case "shape" where shape == nil: shape = try scanner.integers()
            case "data_offsets" where offsets == nil: offsets = try scanner.integers()
            case "dtype", "shape", "data_offsets": throw HeaderError("tensor \(name) has two fields \"\(field)\"")
            default: throw HeaderError("tensor \(name) has unknown field \"\(field)\"")
            }
        }
        guard let dtype else { throw HeaderError("tensor \(name) has no dtype") }
        guard let shape else { throw HeaderError("tensor \(name) has no shape") }
        guard let offsets, offsets.count == 2, offsets[0] <= offsets[1] else {
            throw HeaderError("tensor \(name) has no valid data_offsets")
        }
        return Entry(name: name, dtype: dtype, shape: shape, offsets: offsets[0]..<offsets[1])
    }

    /// Checks the rules that make every byte of the data belong to exactly one tensor: sizes fit shapes, no holes, no
    /// overlaps, nothing beyond the end.
    func validate(dataCount: Int) throws(HeaderError) {
        var end = 0
        for entry in entries.sorted(by: {
            ($0.offsets.lowerBound, $0.offsets.upperBound) < ($1.offsets.lowerBound, $1.offsets.upperBound)
        }) {
            var size = entry.dtype.byteCount
            for dimension in entry.shape {
                let (product, overflow) = size.multipliedReportingOverflow(by: dimension)
                guard !overflow else { throw HeaderError("tensor \(entry.name): shape \(entry.shape) overflows") }
                size = product
            }
            guard entry.offsets.count == size else {
                throw HeaderError(
                    "tensor \(entry.name): \(entry.offsets.count) bytes don't hold \(entry.dtype.rawValue) \(entry.shape)"
                )
            }
            guard entry.offsets.lowerBound >= end else { throw HeaderError("tensor \(entry.name) overlaps another") }
            guard entry.offsets.lowerBound == end else { throw HeaderError("unused bytes before tensor \(entry.name)") }
            guard entry.offsets.upperBound <= dataCount else {
                throw HeaderError(
                    "tensor \(entry.name) ends at \(entry.offsets.upperBound), beyond the file's \(dataCount) bytes of data"
                )
            }
            end = entry.offsets.upperBound
        }
        guard end == dataCount else { throw HeaderError("\(dataCount - end) bytes after the last tensor") }
    }
}

/// What breaks the format of a header.
struct HeaderError: Error {
    var reason: String
    init(_ reason: String) { self.reason = reason }
}

/// Reads the few forms of JSON that a header is made of.
private struct HeaderScanner {
    let bytes: UnsafeRawBufferPointer
    var position = 0

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private func error(_ reason: String) -> HeaderError { HeaderError("header, byte \(position): \(reason)") }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func accept(_ character: UInt8) -> Bool {
        skipSpace()
        guard next == character else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(HeaderError) {
        guard accept(UInt8(ascii: character)) else { throw error("expected \"\(character)\"") }
    }

    /// `{"key": …, …}`; `member` reads the value after each key.
    mutating func object(
        _ member: (inout HeaderScanner, String) throws(HeaderError) -> Void
    ) throws(HeaderError) {
        try expect("{")
        if accept(UInt8(ascii: "}")) { return }
        repeat {
            let key = try string()
            try expect(":")
            try member(&self, key)
        } while accept(UInt8(ascii: ","))
        try expect("}")
    }

    /// `[1, 2, …]`: integers from 0 on.
    mutating func integers() throws(HeaderError) -> [Int] {
        try expect("[")
        if accept(UInt8(ascii: "]")) { return [] }
        var values: [Int] = []
        repeat { values.append(try integer()) } while accept(UInt8(ascii: ","))
        try expect("]")
        return values
    }

    private mutating func integer() throws(HeaderError) -> Int {
        skipSpace()
        let start = position
        var value = 0
        while let byte = next, (0x30...0x39).contains(byte) {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int(byte - 0x30))
            guard !overflow, !carry else { throw error("number too large") }
            value = sum
            position += 1
        }
        guard position > start else { throw error("expected an integer from 0 on") }
        guard position == start + 1 || bytes[start] != 0x30 else { throw error("number with leading zero") }
        return value
    }

    mutating func string() throws(HeaderError) -> String {
        try expect("\"")
        var text: [UInt8] = []
        while let byte = next, byte != UInt8(ascii: "\"") {
            guard byte >= 0x20 else { throw error("control character in a string") }
            position += 1
            if byte == UInt8(ascii: "\\") {
                text.append(contentsOf: String(try escapedScalar()).utf8)
            } else {
                text.append(byte)
            }
        }
        guard next != nil else { throw error("string without end") }
        position += 1
        guard let string = String(validating: text, as: UTF8.self) else { throw error("string is not UTF-8") }
        return string
    }

    private mutating func escapedScalar() throws(HeaderError) -> Unicode.Scalar {
        guard let kind = next else { throw error("string without end") }
        position += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(kind)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            var unit = try hexadecimal()
            if (0xD800..<0xDC00).contains(unit), next == UInt8(ascii: "\\") {
                position += 1
                guard next == UInt8(ascii: "u") else { throw error("surrogate without its pair") }
                position += 1
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw error("surrogate without its pair") }
                unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(unit) else { throw error("surrogate without its pair") }
            return scalar
        default: throw error("unknown escape")
        }
    }

    private mutating func hexadecimal() throws(HeaderError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw error("expected four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    /// Only spaces may follow: writers pad the header with them.
    mutating func end() throws(HeaderError) {
        skipSpace()
        guard position == bytes.count else { throw error("text after the header's object") }
    }
}
