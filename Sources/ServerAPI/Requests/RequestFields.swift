import Crypto
import Foundation
import HTTPMessages
import HTTPTypes
import StrictJSON

/// The fields of a request, from JSON or from a form, read strictly: every field is known, of its type and in its range.
struct RequestFields {
    enum Value {
        case json(JSONValue)
        /// A form has only text; it is read as the type that the field has.
        case text(String)
    }

    private var values: [(name: String, value: Value)] = []
    /// The parts of a form that are pictures.
    private(set) var pictureParts: [MultipartForm.Part] = []

    /// - Parameter takesForms: whether the body may be `multipart/form-data`.
    /// - Throws: `APIError` 415 for other media types; 400 for a malformed body, and for fields that are unknown or ask
    ///   for what is not there, naming all of them.
    init(_ request: Request, _ names: FieldNames, takesForms: Bool) throws(APIError) {
        switch request.fields[.contentType] == nil ? "application/json" : request.mediaType {
        case "application/json": try readJSON(request.body)
        case "multipart/form-data" where takesForms: try readForm(request)
        default:
            let types = takesForms ? "application/json or multipart/form-data" : "application/json"
            throw .mediaType("Content-Type must be \(types).")
        }
        try refuseOthers(than: names)
    }

    // MARK: Bodies

    private mutating func readJSON(_ body: [UInt8]) throws(APIError) {
        guard !body.isEmpty else {
            throw .invalid(nil, "The body is empty; it must be a JSON object.", code: "invalid_json")
        }
        let value: JSONValue
        do {
            value = try JSONValue(parsing: body, rules: .requests)
        } catch {
            throw .invalid(nil, "The body is not valid JSON: \(error).", code: "invalid_json")
        }
        guard case .object(let object) = value else {
            throw .invalid(nil, "The body must be a JSON object, not \(value.kind).", code: "invalid_json")
        }
        try add(object)
    }

    /// OpenAI's clients send fields that OpenAI does not have as `extra_body`; they are fields like any other.
    private mutating func add(_ object: JSONObject) throws(APIError) {
        for member in object.members where member.name != "extra_body" {
            values.append((member.name, .json(member.value)))
        }
        switch object["extra_body"] {
        case nil, .null: return
        case .object(let extra):
            for member in extra.members {
                guard !has(member.name) else {
                    throw .invalid(member.name, "'\(member.name)' is both in the request and in 'extra_body'.")
                }
                values.append((member.name, .json(member.value)))
            }
        case .some(let other): throw .wrongType("extra_body", expected: "an object", found: other.kind)
        }
    }

    private mutating func readForm(_ request: Request) throws(APIError) {
        let form: MultipartForm
        do {
            form = try request.multipartForm()
        } catch {
            throw APIError(error)
        }
        for part in form.parts {
            if FieldNames.isPicture(part.name) {
                pictureParts.append(part)
                continue
            }
            guard part.filename == nil else { throw .invalid(part.name, "'\(part.name)' can't be a file.") }
            guard let text = part.text else { throw .invalid(part.name, "'\(part.name)' is not UTF-8.") }
            guard JSONString(text).longestMarkRun <= JSONRules.markLimit else {
                throw .invalid(
                    part.name,
                    "'\(part.name)' has more than \(JSONRules.markLimit) combining marks in a row."
                )
            }
            guard !has(part.name) else { throw .invalid(part.name, "'\(part.name)' is there twice.") }
            values.append((part.name, .text(text)))
        }
    }

    private func refuseOthers(than names: FieldNames) throws(APIError) {
        let given = values.map(\.name) + pictureParts.map(\.name)
        let known = Set(names.accepted + names.neutral + names.notYet)
        let unknown = given.filter { !known.contains($0) }
        if let first = unknown.first {
            throw .invalid(first, "Unknown \(Self.list(unknown)).", code: "unknown_parameter")
        }
        let asking = values.filter { !$0.value.isNeutral }.map(\.name)
        let notYet = asking.filter(names.notYet.contains)
        if let first = notYet.first {
            throw .invalid(first, "Not supported yet: \(Self.list(notYet)).", code: "not_supported_yet")
        }
        let unsupported = asking.filter(names.neutral.contains)
        if let first = unsupported.first {
            throw .invalid(
                first,
                "Only a neutral value is supported for the \(Self.list(unsupported)).",
                code: "unsupported_parameter"
            )
        }
    }

    private static func list(_ names: [String]) -> String {
        (names.count == 1 ? "field " : "fields ") + names.map { "'\($0)'" }.joined(separator: ", ")
    }

    private func has(_ name: String) -> Bool { values.contains { $0.name == name } }

    // MARK: Values

    /// The value of a field; nil if it is absent or null.
    private func value(_ name: String) -> Value? {
        let value = values.first { $0.name == name }?.value
        if case .json(.null) = value { return nil }
        return value
    }

    /// - Parameter limit: how many characters it may have
    func string(_ name: String, upTo limit: Int? = nil) throws(APIError) -> String? {
        let string: String
        switch value(name) {
        case nil: return nil
        case .text(let text): string = text
        case .json(.string(let text)): string = text.text
        case .json(let other): throw .wrongType(name, expected: "a string", found: other.kind)
        }
        if let limit, string.count > limit { throw .invalid(name, "'\(name)' must have at most \(limit) characters.") }
        return string
    }

    func requiredString(_ name: String) throws(APIError) -> String {
        guard let string = try string(name) else { throw .missing(name) }
        return string
    }

    /// - Parameter range: the values that are accepted; nothing is clamped.
    func integer(_ name: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let number = try number(name, expected: "an integer") else { return nil }
        guard let integer = number.wholeValue else {
            // A whole number with more digits than an Int is out of range, not of another type.
            guard number.literal.contains(where: { ".eE".contains($0) }) else { throw Self.outside(name, range) }
            throw .wrongType(name, expected: "an integer", found: number.literal)
        }
        guard range.contains(integer) else { throw Self.outside(name, range) }
        return integer
    }

    private static func outside(_ name: String, _ range: ClosedRange<Int>) -> APIError {
        range.upperBound == .max
            ? .invalid(name, "'\(name)' must be at least \(range.lowerBound) (and at most \(Int.max)).")
            : .invalid(name, "'\(name)' must be from \(range.lowerBound) to \(range.upperBound).")
    }

    /// A finite number of at least 0.
    func magnitude(_ name: String, upTo limit: Double? = nil) throws(APIError) -> Double? {
        guard let number = try number(name, expected: "a number") else { return nil }
        guard let value = number.double, value >= 0, value <= limit ?? .infinity else {
            throw .invalid(
                name,
                limit.map { "'\(name)' must be from 0 to \($0)." } ?? "'\(name)' must be a finite number of at least 0."
            )
        }
        return value
    }

    private func number(_ name: String, expected: String) throws(APIError) -> JSONNumber? {
        switch value(name) {
        case nil: return nil
        case .json(.number(let number)): return number
        case .json(let other): throw .wrongType(name, expected: expected, found: other.kind)
        case .text(let text):
            guard let number = JSONNumber(text) else { throw .wrongType(name, expected: expected, found: "'\(text)'") }
            return number
        }
    }

    func flag(_ name: String) throws(APIError) -> Bool? {
        switch value(name) {
        case nil: return nil
        case .json(.bool(let flag)): return flag
        case .text("true"): return true
        case .text("false"): return false
        case .json(let other): throw .wrongType(name, expected: "a boolean", found: other.kind)
        case .text(let text): throw .wrongType(name, expected: "a boolean", found: "'\(text)'")
        }
    }

    /// One of the strings that `Choice` stands for.
    func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String,
        _ type: Choice.Type = Choice.self
    ) throws(APIError) -> Choice? where Choice.RawValue == String {
        guard let text = try string(name) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            let all = Choice.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
            throw .invalid(name, "'\(name)' must be one of \(all).")
        }
        return choice
    }

    /// An object whose values are strings, within the bounds of OpenAI's `metadata`: every look at a job shows it.
    func strings(_ name: String) throws(APIError) -> JSONObject? {
        let object: JSONObject
        switch value(name) {
        case nil: return nil
        case .json(.object(let value)): object = value
        case .json(let other): throw .wrongType(name, expected: "an object", found: other.kind)
        case .text(let text):
            guard case .object(let value) = try? JSONValue(parsing: Array(text.utf8), rules: .requests) else {
                throw .wrongType(name, expected: "an object", found: "'\(text)'")
            }
            object = value
        }
        guard object.members.count <= 16 else { throw .invalid(name, "'\(name)' must hold at most 16 strings.") }
        for member in object.members {
            guard case .string(let string) = member.value else {
                throw .wrongType("\(name).\(member.name)", expected: "a string", found: member.value.kind)
            }
            guard member.name.count <= 64, string.text.count <= 512 else {
                throw .invalid(name, "'\(name)' must have keys of at most 64 and strings of at most 512 characters.")
            }
        }
        return object
    }

    /// The JSON value of a field that forms carry as files.
    func json(_ name: String) -> JSONValue? {
        if case .json(let value) = value(name) { value } else { nil }
    }

    // MARK: The request as a whole

    /// The fields as they came, without pictures.
    var summary: JSONObject {
        var summary = JSONObject()
        for (name, value) in values where !FieldNames.isPicture(name) {
            switch value {
            case .json(let value): summary[name] = value
            case .text(let text): summary[name] = .string(text)
            }
        }
        return summary
    }

    /// A digest that is the same for requests whose fields have the same values, however they are written and ordered.
    func fingerprint(of path: String) -> String {
        var digest = SHA256()
        digest.add(path)
        for (name, value) in values.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
            digest.add(name)
            switch value {
            case .json(let value): digest.add(value.canonicalBytes)
            case .text(let text): digest.add(text)
            }
        }
        for part in pictureParts {
            digest.add(part.name)
            digest.add(part.body)
        }
        return digest.finalize().map { byte in
            // Two digits a byte.
            String(byte >> 4, radix: 16) + String(byte & 0xF, radix: 16)
        }.joined()
    }
}

extension RequestFields.Value {
    /// Whether the value asks for nothing.
    var isNeutral: Bool {
        switch self {
        case .json(.null), .json(.bool(false)), .json(.string("auto")), .json(.array([])), .json(.object([:])),
            .text(""), .text("auto"), .text("false"), .text("0"), .text("null"):
            true
        case .json(.number(let number)): number.double == 0
        case .json(.object(let object)): object == ["type": "text"]
        case .json, .text: false
        }
    }
}

extension SHA256 {
    /// Adds bytes together with their count, so that two parts can't be told apart as other two.
    fileprivate mutating func add(_ bytes: some DataProtocol) {
        withUnsafeBytes(of: UInt64(bytes.count).bigEndian) { update(bufferPointer: $0) }
        update(data: bytes)
    }

    fileprivate mutating func add(_ text: String) { add(Array(text.utf8)) }
}
