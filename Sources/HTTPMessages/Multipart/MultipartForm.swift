package import HTTPTypes

/// A `multipart/form-data` body (RFC 7578), taken apart without copying: the parts are slices of the body.
package struct MultipartForm: Sendable, Equatable {
    package struct Part: Sendable, Equatable {
        /// The name of the form's field.
        package let name: String
        /// The name the client gave its file; never to be used as a path.
        package let filename: String?
        package let fields: HTTPFields
        package let body: ArraySlice<UInt8>

        /// The body of a text field, or nil if it is not UTF-8.
        package var text: String? { String(validating: body, as: UTF8.self) }
        package var contentType: String? { fields[.contentType] }
    }

    /// The parts in the order of the body; several may share a name.
    package let parts: [Part]

    package func parts(named name: String) -> [Part] {
        parts.filter { $0.name == name }
    }

    /// Far more than any form of this server has.
    static let mostParts = 64
    /// Bytes of one field line of a part: names and file names are short.
    static let lineLimit = 4096
    static let mostFieldsPerPart = 16

    /// - Throws: ``HTTPStatusError`` 400 naming what is wrong; preambles, epilogues, nested and re-encoded parts are not
    ///   accepted, because nothing that sends forms makes them.
    package init(_ body: [UInt8], boundary: String) throws(HTTPStatusError) {
        guard Self.isBoundary(boundary) else { throw .multipart("The boundary is invalid.") }
        var reader = Reader(body: body, delimiter: Array("\r\n--\(boundary)".utf8))
        guard reader.takeOpening() else { throw .multipart("The body does not start with its boundary.") }
        var parts: [Part] = []
        while try reader.takeDelimiterEnd() == .anotherPart {
            guard parts.count < Self.mostParts else { throw .multipart("There are more than \(Self.mostParts) parts.") }
            let fields = try reader.takeFields()
            let (name, filename) = try Self.disposition(fields)
            guard let content = reader.takeBody() else { throw .multipart("The last boundary is missing.") }
            parts.append(Part(name: name, filename: filename, fields: fields, body: content))
        }
        self.parts = parts
    }

    /// The grammar of RFC 2046, section 5.1.1: 1 to 70 characters, the last not a space.
    private static func isBoundary(_ boundary: String) -> Bool {
        1...70 ~= boundary.utf8.count && boundary.utf8.last != 0x20
            && boundary.utf8.allSatisfy { $0.isDigit || $0.isLetter || "'()+_,-./:=? ".utf8.contains($0) }
    }

    private static func disposition(_ fields: HTTPFields) throws(HTTPStatusError) -> (name: String, filename: String?) {
        let values = fields[values: .contentDisposition]
        guard values.count == 1, let disposition = FieldParameters(values[0], percentEscapes: true),
            disposition.value == "form-data"
        else { throw .multipart("A part has no Content-Disposition: form-data.") }
        guard let name = disposition["name"] else { throw .multipart("A part has no name.") }
        let encoding = fields[.contentTransferEncoding] ?? "binary"
        guard ["7bit", "8bit", "binary"].contains(encoding.lowercased()) else {
            throw .multipart("The part \(name) has a Content-Transfer-Encoding.", param: name)
        }
        return (name, disposition["filename*"].flatMap(extendedValue) ?? disposition["filename"])
    }

    /// The text of an RFC 8187 value such as `UTF-8''na%C3%AFve.png`, which some clients send for other than ASCII.
    private static func extendedValue(_ value: String) -> String? {
        let parts = value.split(separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].lowercased() == "utf-8" else { return nil }
        return PercentEncoding.decode(parts[2].utf8)
    }
}

extension HTTPField.Name {
    fileprivate static let contentTransferEncoding = Self("Content-Transfer-Encoding")!
}

/// Walks over a multipart body from delimiter to delimiter.
private struct Reader {
    enum DelimiterEnd {
        case anotherPart
        case endOfBody
    }

    let body: [UInt8]
    /// CR LF, two hyphens, the boundary.
    let delimiter: [UInt8]
    private var position = 0

    init(body: [UInt8], delimiter: [UInt8]) {
        self.body = body
        self.delimiter = delimiter
    }

    /// Takes the first delimiter, which has no line end before it unless a client sends one.
    mutating func takeOpening() -> Bool {
        for opening in [delimiter[2...], delimiter[...]] where body.starts(with: opening) {
            position = opening.count
            return true
        }
        return false
    }

    /// Takes what follows a delimiter: a line end before a part, two hyphens at the end of the body.
    mutating func takeDelimiterEnd() throws(HTTPStatusError) -> DelimiterEnd {
        let rest = body[position...]
        if rest.starts(with: "--".utf8) {
            guard rest.count == 2 || rest.dropFirst(2).elementsEqual("\r\n".utf8) else {
                throw .multipart("There are bytes after the last boundary.")
            }
            return .endOfBody
        }
        guard rest.starts(with: "\r\n".utf8) else { throw .multipart("A boundary is not followed by a line end.") }
        position += 2
        return .anotherPart
    }

    mutating func takeFields() throws(HTTPStatusError) -> HTTPFields {
        var fields: HTTPFields = [:]
        while true {
            let window = body[position...].prefix(MultipartForm.lineLimit + 2)
            guard let end = window.firstIndex(of: .lineFeed), end > position, body[end - 1] == .carriageReturn else {
                throw .multipart("A field line of a part is too long or does not end in CR LF.")
            }
            defer { position = end + 1 }
            if end - 1 == position { return fields }
            guard fields.count < MultipartForm.mostFieldsPerPart else {
                throw .multipart("A part has more than \(MultipartForm.mostFieldsPerPart) fields.")
            }
            fields.append(try FieldLine.parse(body.span.extracting(position..<end - 1)))
        }
    }

    /// Takes the bytes up to the next delimiter and the delimiter itself; nil if there is none.
    mutating func takeBody() -> ArraySlice<UInt8>? {
        // A part without a body ends in the delimiter whose CR LF also ends its fields.
        var search = position - 2
        let last = body.count - delimiter.count
        let start = position
        while search <= last {
            guard let mark = body.span.firstIndex(of: .carriageReturn, from: search), mark <= last else { return nil }
            if body[mark..<mark + delimiter.count].elementsEqual(delimiter) {
                position = mark + delimiter.count
                return mark < start ? [] : body[start..<mark]
            }
            search = mark + 1
        }
        return nil
    }
}
