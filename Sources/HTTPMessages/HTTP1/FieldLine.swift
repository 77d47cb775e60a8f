import HTTPTypes

/// One line of a header section (RFC 9112, section 5), also of a part of a multipart body.
enum FieldLine {
    /// - Throws: 400 for folded lines, blanks around the name, and any control character but HTAB: a field that two
    ///   readers could read in two ways is refused.
    static func parse(_ line: Span<UInt8>) throws(HTTPStatusError) -> HTTPField {
        guard line.count > 0 else { throw .fieldLineInvalid }
        guard !line[0].isBlank else { throw .foldedField }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), let name = HTTPField.Name(line.text(0..<colon)) else {
            throw .fieldLineInvalid
        }
        let value = line.trimmed(colon + 1..<line.count)
        for index in value where !line[index].isFieldContent { throw .fieldLineInvalid }
        return line.extracting(value).withUnsafeBufferPointer { HTTPField(name: name, value: $0) }
    }
}

extension HTTPFields {
    /// Whether one of the comma-separated elements of the fields `name` is `token`, given in lower case.
    func contains(token: StaticString, in name: HTTPField.Name) -> Bool {
        self[values: name].contains { value in
            value.utf8.split(separator: UInt8(ascii: ",")).contains { element in
                element.drop(while: \.isBlank).reversed().drop(while: \.isBlank).reversed()
                    .equals(ignoringCase: token)
            }
        }
    }
}
