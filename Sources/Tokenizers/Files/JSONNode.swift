import Foundation

/// A JSON value together with where it stands, so that whatever is wrong with it can be named.
struct JSONNode {
    let file: String
    let path: String
    let value: JSONValue

    /// Larger than any published tokenizer (about 35 MB) and small enough to parse at once.
    private static let sizeLimit = 256 << 20

    init(file: String, path: String, value: JSONValue) {
        self.file = file
        self.path = path
        self.value = value
    }

    /// Reads and parses a file.
    init(contentsOf url: URL) throws {
        file = url.lastPathComponent
        path = "$"
        let data = try Self.read(url)
        do {
            value = try JSONParser.parse(data)
        } catch let failure {
            throw TokenizerError.notJSON(file: file, offset: failure.offset, reason: failure.reason)
        }
    }

    /// The bytes of a file of reasonable size.
    static func read(_ url: URL) throws -> [UInt8] {
        let file = url.lastPathComponent
        do {
            let handle = try FileHandle(forReadingFrom: url)
            defer { try? handle.close() }
            let data = try handle.read(upToCount: sizeLimit + 1) ?? Data()
            guard data.count <= sizeLimit else {
                throw TokenizerError.unreadable(file: file, reason: "larger than \(sizeLimit) bytes")
            }
            return [UInt8](data)
        } catch let error as TokenizerError {
            throw error
        } catch {
            throw TokenizerError.unreadable(file: file, reason: "cannot be read: \(error.localizedDescription)")
        }
    }

    func invalid(_ reason: String) -> TokenizerError {
        .invalid(file: file, path: path, reason: reason)
    }

    func unsupported(_ found: String) -> TokenizerError {
        .unsupported(file: file, path: path, found: found)
    }

    private func mismatch(_ expected: String) -> TokenizerError {
        invalid("expected \(expected), found \(value.typeName)")
    }

    // MARK: Members

    /// The member of that name; nil where it is missing or null.
    func member(_ name: String) throws -> JSONNode? {
        guard case .object(let members) = value else { throw mismatch("an object") }
        let found = members.filter { $0.key.elementsEqual(name.utf8) }
        let node = JSONNode(
            file: file,
            path: path == "$" ? name : "\(path).\(name)",
            value: found.first?.value ?? .null
        )
        guard found.count <= 1 else { throw node.invalid("given \(found.count) times") }
        return node.value == .null ? nil : node
    }

    func required(_ name: String) throws -> JSONNode {
        guard let node = try member(name) else {
            throw TokenizerError.invalid(file: file, path: path == "$" ? name : "\(path).\(name)", reason: "missing")
        }
        return node
    }

    /// All members in the order of the file, without a check for duplicates.
    func members() throws -> [JSONValue.Member] {
        guard case .object(let members) = value else { throw mismatch("an object") }
        return members
    }

    func node(of member: JSONValue.Member) -> JSONNode {
        let key = String(decoding: member.key.prefix(80), as: UTF8.self)
        return JSONNode(file: file, path: "\(path)[\"\(key)\"]", value: member.value)
    }

    func elements() throws -> [JSONValue] {
        guard case .array(let elements) = value else { throw mismatch("an array") }
        return elements
    }

    func node(at index: Int, _ element: JSONValue) -> JSONNode {
        JSONNode(file: file, path: "\(path)[\(index)]", value: element)
    }

    func nodes() throws -> [JSONNode] {
        try elements().enumerated().map { node(at: $0.offset, $0.element) }
    }

    // MARK: Plain values

    func bytes() throws -> ArraySlice<UInt8> {
        guard case .string(let bytes) = value else { throw mismatch("a string") }
        return bytes
    }

    func string() throws -> String {
        String(decoding: try bytes(), as: UTF8.self)
    }

    func boolean() throws -> Bool {
        guard case .boolean(let boolean) = value else { throw mismatch("a boolean") }
        return boolean
    }

    func integer() throws -> Int {
        guard case .integer(let integer) = value else {
            if case .real = value { throw invalid("not a whole number in range") }
            throw mismatch("a number")
        }
        return integer
    }

    /// The value of `type`, the tag of every component in tokenizer.json.
    func type() throws -> String {
        try required("type").string()
    }

    /// A boolean member that may be missing.
    func flag(_ name: String, default missing: Bool = false) throws -> Bool {
        try member(name)?.boolean() ?? missing
    }
}
