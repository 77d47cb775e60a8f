import Foundation
import StrictJSON

/// A JSON value together with where it stands, so that whatever is wrong with it can be named.
struct JSONNode {
    let file: String
    let path: String
    let value: JSONValue

    /// Larger than any published tokenizer (about 35 MB) and small enough to parse at once.
    private static let sizeLimit = 256 << 20
    /// Tokenizer files nest about six levels, and the largest vocabularies with their merges are 1.5 million values; the
    /// vocabulary's limit of ids would allow for no more than these.
    private static let rules = JSONRules(depthLimit: 64, valueLimit: 4 * Vocabulary.idLimit)

    init(file: String, path: String, value: JSONValue) {
        self.file = file
        self.path = path
        self.value = value
    }

    /// Reads and parses a file.
    init(contentsOf url: URL) throws {
        try self.init(parsing: Self.read(url), file: url.lastPathComponent)
    }

    init(parsing bytes: [UInt8], file: String) throws(TokenizerError) {
        do {
            self.init(file: file, path: "$", value: try JSONValue(parsing: bytes, rules: Self.rules))
        } catch {
            guard case .duplicateKey(let key) = error.fault else {
                throw .notJSON(file: file, offset: error.offset, reason: error.reason)
            }
            throw .invalid(file: file, path: Self.path(key, in: "\(error.path)"), reason: "given twice")
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
        invalid("expected \(expected), found \(value.kind)")
    }

    // MARK: Members

    /// The member of that name; nil where it is missing or null.
    func member(_ name: String) throws -> JSONNode? {
        guard case .object(let object) = value else { throw mismatch("an object") }
        guard let member = object[name], member != .null else { return nil }
        return JSONNode(file: file, path: path == "$" ? name : "\(path).\(name)", value: member)
    }

    func required(_ name: String) throws -> JSONNode {
        guard let node = try member(name) else {
            throw TokenizerError.invalid(file: file, path: path == "$" ? name : "\(path).\(name)", reason: "missing")
        }
        return node
    }

    /// All members in the order of the file.
    func members() throws -> [JSONObject.Member] {
        guard case .object(let object) = value else { throw mismatch("an object") }
        return object.members
    }

    func node(of member: JSONObject.Member) -> JSONNode {
        JSONNode(file: file, path: Self.path(member.key.text, in: path), value: member.value)
    }

    /// The place of a member whose key is data rather than a field's name.
    private static func path(_ key: String, in object: String) -> String {
        "\(object)[\"\(String(decoding: key.utf8.prefix(80), as: UTF8.self))\"]"
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
        guard case .string(let string) = value else { throw mismatch("a string") }
        return string.utf8
    }

    func string() throws -> String {
        String(decoding: try bytes(), as: UTF8.self)
    }

    func boolean() throws -> Bool {
        guard case .bool(let boolean) = value else { throw mismatch("a boolean") }
        return boolean
    }

    func integer() throws -> Int {
        guard case .number(let number) = value else { throw mismatch("a number") }
        guard let integer = number.integer else { throw invalid("not a whole number in range") }
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
