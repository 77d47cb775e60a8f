import Images
import Pipelines
import StrictJSON

/// The `messages` of a chat.
struct ChatMessages {
    let turns: [ChatTurn]
    /// The messages as a job shows them: of pictures only their sizes.
    let summary: JSONValue

    /// What OpenAI's messages may hold besides. Replies that are sent back have most of it, and null in it.
    private static let neutral = ["annotations", "audio", "function_call", "name", "refusal", "tool_calls"]

    private enum Part {
        case text(String)
        /// The picture at this place of all pictures.
        case picture(Int)
    }

    /// - Throws: `APIError` 400 naming the message or part that can't be used.
    init(_ value: JSONValue?, pictures reader: PictureReader) throws(APIError) {
        guard let value else { throw .missing("messages") }
        guard case .array(let elements) = value else {
            throw .wrongType("messages", expected: "a list", found: value.kind)
        }
        guard !elements.isEmpty else { throw .invalid("messages", "'messages' must not be empty.") }
        var drafts: [(role: ChatTurn.Role, parts: [Part])] = []
        var sources: [(param: String, value: JSONValue)] = []
        for (index, element) in elements.enumerated() {
            let param = "messages[\(index)]"
            guard case .object(let message) = element else {
                throw .wrongType(param, expected: "an object", found: element.kind)
            }
            try message.refuseMembers(except: ["role", "content"], neutral: Self.neutral, of: param)
            let role = try Self.role(message["role"], param: "\(param).role")
            drafts.append((role, try Self.parts(message["content"], param: "\(param).content", &sources)))
        }
        let pictures = try reader.pictures(sources)
        turns = drafts.map { draft in
            ChatTurn(
                draft.role,
                draft.parts.map { part in
                    switch part {
                    case .text(let text): .text(text)
                    case .picture(let index): .picture(pictures[index])
                    }
                }
            )
        }
        summary = .array(turns.map(Self.summary))
    }

    private static func role(_ value: JSONValue?, param: String) throws(APIError) -> ChatTurn.Role {
        guard let value, value != .null else { throw .missing(param) }
        guard case .string(let name) = value else { throw .wrongType(param, expected: "a string", found: value.kind) }
        // OpenAI's newer name for what stands above the conversation.
        if name == "developer" { return .system }
        guard let role = ChatTurn.Role(rawValue: name.text) else {
            throw .invalid(param, "'\(param)' must be 'system', 'developer', 'user' or 'assistant'.")
        }
        return role
    }

    /// A string, or a list of parts.
    private static func parts(
        _ value: JSONValue?,
        param: String,
        _ sources: inout [(param: String, value: JSONValue)]
    ) throws(APIError) -> [Part] {
        switch value {
        case nil, .null: throw .missing(param)
        case .string(let text): return [.text(text.text)]
        case .array(let elements):
            var parts: [Part] = []
            for (index, element) in elements.enumerated() {
                parts.append(try part(element, param: "\(param)[\(index)]", &sources))
            }
            return parts
        case .some(let other): throw .wrongType(param, expected: "a string or a list", found: other.kind)
        }
    }

    private static func part(
        _ value: JSONValue,
        param: String,
        _ sources: inout [(param: String, value: JSONValue)]
    ) throws(APIError) -> Part {
        guard case .object(let object) = value else {
            throw .wrongType(param, expected: "an object", found: value.kind)
        }
        switch object["type"] {
        case "text"?:
            try object.refuseMembers(except: ["type", "text"], of: param)
            switch object["text"] {
            case .string(let text): return .text(text.text)
            case nil, .null: throw .missing("\(param).text")
            case .some(let other): throw .wrongType("\(param).text", expected: "a string", found: other.kind)
            }
        case "image_url"?:
            sources.append((param, value))
            return .picture(sources.count - 1)
        case nil, .null: throw .missing("\(param).type")
        default: throw .invalid("\(param).type", "'\(param).type' must be 'text' or 'image_url'.")
        }
    }

    private static func summary(_ turn: ChatTurn) -> JSONValue {
        let parts = turn.parts.map { part -> JSONValue in
            switch part {
            case .text(let text): ["type": "text", "text": .string(text)]
            case .picture(let image):
                ["type": "image_url", "image_url": ["width": .number(image.width), "height": .number(image.height)]]
            }
        }
        return ["role": .string(turn.role.rawValue), "content": .array(parts)]
    }
}
