package import Foundation
import StrictJSON

/// How a model's conversations are written. The known templates are Swift code, chosen by the exact text of the Jinja
/// template in the model's folder; there is no interpreter.
package enum ChatTemplate: Sendable, Equatable, CaseIterable {
    /// Llama 3: text only, trimmed, the sequence's first token written out.
    case llama3
    /// Llama 3.1, without tools: a system message with two dates, and what the conversation's own says.
    case llama31
    /// LLaVA-NeXT on Llama 3: pictures first, one line each.
    case llavaNextLlama3
    /// LLaVA-OneVision on Qwen2: pictures, videos, then every text on a line of its own.
    case llavaOneVisionQwen2
    /// Qwen2.5-VL: parts in their order, a default system message.
    case qwen25VL
    /// Qwen2: text only, a default system message.
    case qwen2
    /// Qwen2.5, without tools: the same with another default.
    case qwen25

    /// FNV-1a (64 bits) of the template's UTF-8, without the line break that may end a file. It tells templates apart;
    /// it does not have to resist anybody.
    private var fingerprint: UInt64 {
        switch self {
        case .llama3: 0x0E60_067A_5537_498E
        case .llama31: 0xCC03_68E1_FFB6_B958
        case .llavaNextLlama3: 0x65B7_A535_9E1B_5ACC
        case .llavaOneVisionQwen2: 0x70FF_C608_0230_0498
        case .qwen25VL: 0x7124_2F76_359E_71E8
        case .qwen2: 0x8A87_094E_0E1E_24C5
        case .qwen25: 0xE642_CE24_6D7F_2E3D
        }
    }

    /// The template with this text. Errors: `TokenizerError.unknownChatTemplate` with the text's beginning; `file` is
    /// only named there.
    package init(text: String, file: String) throws {
        var bytes = Array(text.utf8)
        // Jinja drops it too.
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        let fingerprint = bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        guard let known = Self.allCases.first(where: { $0.fingerprint == fingerprint }) else {
            throw TokenizerError.unknownChatTemplate(
                file: file,
                opening: String(text.prefix(80)),
                fingerprint: String(fingerprint, radix: 16)
            )
        }
        self = known
    }

    /// The template of a model folder: chat_template.jinja, else chat_template.json, else the `chat_template` of
    /// tokenizer_config.json. Errors: `TokenizerError` where there is none or an unknown one.
    package init(directory: URL) throws {
        func existing(_ name: String) -> URL? {
            let file = directory.appendingPathComponent(name)
            return FileManager.default.fileExists(atPath: file.path) ? file : nil
        }
        if let file = existing("chat_template.jinja") {
            try self.init(text: String(decoding: JSONNode.read(file), as: UTF8.self), file: file.lastPathComponent)
        } else if let file = existing("chat_template.json") {
            try self.init(JSONNode(contentsOf: file))
        } else {
            try self.init(JSONNode(contentsOf: directory.appendingPathComponent("tokenizer_config.json")))
        }
    }

    /// The field `chat_template`: a string, or a list of named templates with one named "default".
    private init(_ node: JSONNode) throws {
        let template = try node.required("chat_template")
        guard case .array = template.value else {
            try self.init(text: template.string(), file: node.file)
            return
        }
        let named = try template.nodes().first { try $0.required("name").string() == "default" }
        guard let named else { throw template.invalid("no template is named \"default\"") }
        try self.init(text: named.required("template").string(), file: node.file)
    }
}
