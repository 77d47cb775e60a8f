import Images
import Pipelines
import Serving
import StrictJSON

/// The fields of `POST /v1/chat/completions`.
struct ChatCompletionRequest {
    let request: ChatRequest
    /// How pictures in replies are written.
    let delivery: PictureDelivery
    let model: String?
    let isStreamed: Bool
    /// Whether a stream ends with the usage.
    let includesUsage: Bool
    /// What the job shows as its request.
    let summary: JSONObject

    /// - Throws: `APIError` 400 naming the first field that is wrong.
    init(_ fields: RequestFields, pictures reader: PictureReader) throws(APIError) {
        model = try fields.string("model")
        _ = try fields.string("user", upTo: 512)
        _ = try fields.strings("metadata")
        isStreamed = try fields.flag("stream") ?? false
        includesUsage = try Self.includesUsage(fields, isStreamed: isStreamed)
        delivery = try PictureRequest.delivery(fields, .base64)
        let seed = try fields.integer("seed", in: 0...Int.max)
        // As for pictures: only the low 32 bits count.
        let drawn = seed.map(UInt64.init) ?? UInt64(UInt32.random(in: .min ... .max))
        let messages = try ChatMessages(fields.json("messages"), pictures: reader)
        request = ChatRequest(
            turns: messages.turns,
            count: try fields.integer("n", in: 1...8) ?? 1,
            maxTokens: try Self.maxTokens(fields),
            sampling: try Self.sampling(fields),
            seed: drawn,
            stop: try Self.stop(fields.json("stop")),
            modalities: try Self.modalities(fields.json("modalities")),
            topLogProbabilities: try Self.topLogProbabilities(fields),
            rendering: ChatRequest.Rendering(
                steps: try fields.integer("num_inference_steps", in: 1...1000),
                guidanceScales: try Self.guidanceScales(fields)
            )
        )
        var summary = fields.summary
        summary["messages"] = messages.summary
        summary["seed"] = .number(drawn)
        self.summary = summary
    }

    private static func includesUsage(_ fields: RequestFields, isStreamed: Bool) throws(APIError) -> Bool {
        switch fields.json("stream_options") {
        case nil: return false
        case .object(let options):
            guard isStreamed else { throw .invalid("stream_options", "'stream_options' needs 'stream'.") }
            try options.refuseMembers(
                except: ["include_usage"],
                neutral: ["include_obfuscation"],
                of: "stream_options"
            )
            switch options["include_usage"] {
            case nil, .null: return false
            case .bool(let flag): return flag
            case .some(let other):
                throw .wrongType("stream_options.include_usage", expected: "a boolean", found: other.kind)
            }
        case .some(let other): throw .wrongType("stream_options", expected: "an object", found: other.kind)
        }
    }

    private static func maxTokens(_ fields: RequestFields) throws(APIError) -> Int {
        let range = 1...Int(Int32.max)
        let most = try fields.integer("max_completion_tokens", in: range)
        let alias = try fields.integer("max_tokens", in: range)
        if let most, let alias, most != alias {
            throw .invalid("max_tokens", "'max_tokens' and 'max_completion_tokens' are one field and differ.")
        }
        return most ?? alias ?? 512
    }

    private static func sampling(_ fields: RequestFields) throws(APIError) -> TokenSampling {
        let topP = try fields.magnitude("top_p", upTo: 1)
        guard topP != 0 else { throw .invalid("top_p", "'top_p' must be above 0 and at most 1.") }
        return TokenSampling(
            temperature: try fields.magnitude("temperature", upTo: 2) ?? 0,
            topP: topP ?? 1,
            topK: try fields.integer("top_k", in: 1...Int(Int32.max))
        )
    }

    /// A string, or a list of up to four.
    private static func stop(_ value: JSONValue?) throws(APIError) -> [String] {
        let elements: [JSONValue]
        switch value {
        case nil: return []
        case .array(let list): elements = list
        case .some(let value): elements = [value]
        }
        guard elements.count <= 4 else { throw .invalid("stop", "'stop' must hold at most 4 strings.") }
        var strings: [String] = []
        for element in elements {
            guard case .string(let string) = element else {
                throw .wrongType("stop", expected: "a string or a list of strings", found: element.kind)
            }
            guard !string.utf8.isEmpty else { throw .invalid("stop", "'stop' must not hold an empty string.") }
            strings.append(string.text)
        }
        return strings
    }

    private static func modalities(_ value: JSONValue?) throws(APIError) -> [ModelDescription.Modality]? {
        guard let value else { return nil }
        guard case .array(let elements) = value else {
            throw .wrongType("modalities", expected: "a list", found: value.kind)
        }
        let modalities = elements.map { $0.stringValue.flatMap(ModelDescription.Modality.init(rawValue:)) }
        let known = modalities.compactMap(\.self)
        guard known.count == modalities.count, Set(known).count == known.count, !known.isEmpty else {
            throw .invalid("modalities", "'modalities' must hold 'text', 'image' or both.")
        }
        return known
    }

    private static func topLogProbabilities(_ fields: RequestFields) throws(APIError) -> Int? {
        let top = try fields.integer("top_logprobs", in: 0...20)
        guard try fields.flag("logprobs") ?? false else {
            if let top, top > 0 { throw .invalid("top_logprobs", "'top_logprobs' needs 'logprobs'.") }
            return nil
        }
        return top ?? 0
    }

    /// A number, or a list of up to four: each picture is rendered at each of them.
    private static func guidanceScales(_ fields: RequestFields) throws(APIError) -> [Double] {
        guard case .array(let elements) = fields.json("guidance_scale") else {
            return try fields.magnitude("guidance_scale").map { [$0] } ?? []
        }
        let scales = elements.compactMap(\.doubleValue).filter { $0 >= 0 }
        guard 1...4 ~= elements.count, scales.count == elements.count else {
            throw .invalid("guidance_scale", "'guidance_scale' must be one finite number of at least 0, or up to 4.")
        }
        return scales
    }
}

extension JSONObject {
    /// - Parameters:
    ///   - known: members that mean something
    ///   - neutral: members that are accepted where they ask for nothing
    ///   - param: the object's place in the request
    /// - Throws: `APIError` 400 naming the first other member.
    func refuseMembers(except known: [String], neutral: [String] = [], of param: String) throws(APIError) {
        for member in members where !known.contains(member.name) {
            let place = "\(param).\(member.name)"
            guard neutral.contains(member.name) else {
                throw .invalid(place, "Unknown field '\(place)'.", code: "unknown_parameter")
            }
            guard RequestFields.Value.json(member.value).isNeutral else {
                throw .invalid(
                    place,
                    "Only a neutral value is supported for the field '\(place)'.",
                    code: "unsupported_parameter"
                )
            }
        }
    }
}
