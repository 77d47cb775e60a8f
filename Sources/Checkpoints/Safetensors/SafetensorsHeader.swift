import StrictJSON
import Tensors

/// The header of a safetensors file: an object of `name: {dtype, shape, data_offsets}` and string metadata.
///
/// It is read in its known form: a tree of JSON values would let a hostile file take many times its size in memory.
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

    /// The header, an entry, a list of numbers. A value is more than a byte, so the format's limit of bytes is one of
    /// values, too.
    private static let rules = JSONRules(depthLimit: 3, valueLimit: SafetensorsFile.maximumHeaderBytes)

    /// - Throws: `FormatError` saying what breaks the format, and where.
    init(scanning bytes: UnsafeRawBufferPointer) throws(FormatError) {
        var reader = JSONReader(Array(bytes), rules: Self.rules)
        do {
            try reader.object { (reader, key) throws(JSONError) in
                if key == "__metadata__" {
                    try reader.object { (reader, key) throws(JSONError) in
                        metadata[key.text] = try reader.string().text
                    }
                } else {
                    entries.append(try Self.entry(key.text, &reader))
                }
            }
            try reader.end()
        } catch {
            throw FormatError(error)
        }
    }

    private static func entry(_ name: String, _ reader: inout JSONReader) throws(JSONError) -> Entry {
        var dtype: DType?
        var shape: [Int]?
        var offsets: [Int]?
        try reader.object { (reader, field) throws(JSONError) in
            switch field.text {
            case "dtype":
                let spelling = try reader.string().text
                dtype = DType(rawValue: spelling)
                guard dtype != nil else {
                    throw reader.refusal("tensor \(name) has unsupported dtype \"\(spelling)\"")
                }
            case "shape": shape = try integers(&reader)
            case "data_offsets": offsets = try integers(&reader)
            default: throw reader.refusal("tensor \(name) has unknown field \"\(field)\"")
            }
        }
        guard let dtype else { throw reader.refusal("tensor \(name) has no dtype") }
        guard let shape else { throw reader.refusal("tensor \(name) has no shape") }
        guard let offsets, offsets.count == 2, offsets[0] <= offsets[1] else {
            throw reader.refusal("tensor \(name) has no valid data_offsets")
        }
        return Entry(name: name, dtype: dtype, shape: shape, offsets: offsets[0]..<offsets[1])
    }

    /// `[1, 2, …]`: integers from 0 on.
    private static func integers(_ reader: inout JSONReader) throws(JSONError) -> [Int] {
        var values: [Int] = []
        try reader.array { reader throws(JSONError) in values.append(try reader.naturalNumber()) }
        return values
    }

    /// Checks the rules that make every byte of the data belong to exactly one tensor: sizes fit shapes, no holes, no
    /// overlaps, nothing beyond the end.
    func validate(dataCount: Int) throws(FormatError) {
        var end = 0
        for entry in entries.sorted(by: {
            ($0.offsets.lowerBound, $0.offsets.upperBound) < ($1.offsets.lowerBound, $1.offsets.upperBound)
        }) {
            var size = entry.dtype.byteCount
            for dimension in entry.shape {
                let (product, overflow) = size.multipliedReportingOverflow(by: dimension)
                guard !overflow else { throw FormatError("tensor \(entry.name): shape \(entry.shape) overflows") }
                size = product
            }
            guard entry.offsets.count == size else {
                throw FormatError(
                    "tensor \(entry.name): \(entry.offsets.count) bytes don't hold \(entry.dtype.rawValue) \(entry.shape)"
                )
            }
            guard entry.offsets.lowerBound >= end else { throw FormatError("tensor \(entry.name) overlaps another") }
            guard entry.offsets.lowerBound == end else { throw FormatError("unused bytes before tensor \(entry.name)") }
            guard entry.offsets.upperBound <= dataCount else {
                throw FormatError(
                    "tensor \(entry.name) ends at \(entry.offsets.upperBound), beyond the file's \(dataCount) bytes of data"
                )
            }
            end = entry.offsets.upperBound
        }
        guard end == dataCount else { throw FormatError("\(dataCount - end) bytes after the last tensor") }
    }
}

extension FormatError {
    fileprivate init(_ error: JSONError) {
        switch (error.fault, error.path.steps.last) {
        case (.refused(let reason), _): self.init(reason)
        case (.duplicateKey(let field), .key(let name)) where name != "__metadata__":
            self.init("tensor \(name) has two fields \"\(field)\"")
        default: self.init("header, byte \(error.offset): \(error.reason)")
        }
    }
}
