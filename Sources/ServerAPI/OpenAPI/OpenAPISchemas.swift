import Images
import Pipelines
import Serving
import StrictJSON

/// The bodies of requests and responses as JSON Schemas.
enum OpenAPISchemas {
    static let all: JSONValue = [
        "GenerationRequest": .record(picture + jsonPictures, required: ["prompt"]),
        "EditForm": .record(picture + formPictures, required: ["prompt", "image"]),
        "AnswerRequest": .record(question + [("image", address)] + jsonPictures, required: ["question"]),
        "AnswerForm": .record(question + formPictures, required: ["question"]),
        "ChatRequest": .record(chat, required: ["messages"]),
        "PicturesResponse": .record([
            ("created", .whole), ("model", .text), ("data", .list(pictureResult)), ("usage", usage),
            ("timings", timings),
        ]),
        "AnswerResponse": .record([
            ("id", .text), ("model", .text), ("answer", .text), ("usage", usage), ("timings", timings),
        ]),
        "ChatCompletion": .record(completion + [("choices", .list(choice("message")))]),
        "ChatChunk": .record(completion + [("choices", .list(choice("delta")))]),
        "Job": job,
        "JobList": list(of: "Job"),
        "DeletedJob": .record([("id", .text), ("object", .text), ("deleted", .flag)]),
        "Model": model,
        "ModelList": list(of: "Model"),
        "Health": .record([("status", .text)]),
        "Description": ["type": "object"],
        "Error": .record([("error", error)]),
    ]

    // MARK: Requests

    private static let picture: [(String, JSONValue)] = [
        ("prompt", .text("May be empty only with pictures.")),
        ("model", .text("The first configured model that can do the task, if absent.")),
        ("n", .whole(1...8)),
        ("size", .text("auto, or WIDTHxHEIGHT in pixels.")),
        ("response_format", .choice(of: PictureDelivery.Form.self)),
        ("output_format", .choice(of: ImageFormat.self)),
        ("output_compression", .whole(0...100)),
        ("seed", .whole(0...Int.max)),
        ("num_inference_steps", .whole(1...1000)),
        ("guidance_scale", .magnitude),
        ("image_guidance_scale", .magnitude),
        ("negative_prompt", .text),
        ("user", .text),
        ("metadata", ["type": "object", "additionalProperties": ["type": "string"]]),
    ]

    private static let question: [(String, JSONValue)] = [
        ("question", .text("May be empty only with a picture: asks for a caption.")),
        ("model", .text("The first configured model that answers, if absent.")),
        ("max_tokens", ["type": "integer", "minimum": 1, "default": 512]),
        ("temperature", ["type": "number", "minimum": 0, "maximum": 2, "default": 0]),
        ("seed", .whole(0...Int.max)),
    ]

    private static let chat: [(String, JSONValue)] = [
        ("messages", .list(message(required: ["role", "content"]))),
        ("model", .text("The first configured model that answers, if absent.")),
        ("max_completion_tokens", ["type": "integer", "minimum": 1, "default": 512]),
        ("max_tokens", .text("Another name of max_completion_tokens.", type: "integer")),
        ("temperature", ["type": "number", "minimum": 0, "maximum": 2, "default": 0]),
        ("top_p", ["type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 1]),
        ("top_k", ["type": "integer", "minimum": 1]),
        ("seed", .whole(0...Int.max)),
        ("stop", ["anyOf": [.text, ["type": "array", "items": .text, "maxItems": 4]]]),
        ("n", .whole(1...8)),
        ("logprobs", .flag),
        ("top_logprobs", .whole(0...20)),
        ("stream", .flag),
        ("stream_options", .record([("include_usage", .flag)])),
        ("modalities", .list(.choice(of: ModelDescription.Modality.self))),
        ("num_inference_steps", .whole(1...1000)),
        ("guidance_scale", ["anyOf": [.magnitude, ["type": "array", "items": .magnitude, "maxItems": 4]]]),
        ("output_format", .choice(of: ImageFormat.self)),
        ("output_compression", .whole(0...100)),
        ("user", .text),
        ("metadata", ["type": "object", "additionalProperties": .text]),
    ]

    private static let address: JSONValue = [
        "anyOf": [
            .text("A data URI in base64."),
            .record([("image_url", ["anyOf": [.text, .record([("url", .text)], required: ["url"])]])]),
        ]
    ]
    private static let jsonPictures: [(String, JSONValue)] = [("images", .list(address))]
    private static let formPictures: [(String, JSONValue)] = [
        ("image", ["type": "string", "contentMediaType": "image/*", "description": "May be given several times."])
    ]

    // MARK: Responses

    private static let pictureResult = JSONValue.record([
        ("b64_json", .text), ("url", .text), ("seed", .whole), ("width", .whole), ("height", .whole),
        ("forced", .flag),
    ])
    private static let usage = JSONValue.record([
        ("input_tokens", .whole), ("output_tokens", .whole), ("total_tokens", .whole),
    ])
    private static let timings: JSONValue = [
        "type": "object", "description": "Seconds: queued, by stage, and in total.",
        "additionalProperties": ["type": "number"],
    ]
    private static let completion: [(String, JSONValue)] = [
        ("id", .text), ("object", .text), ("created", .whole), ("model", .text),
        (
            "usage",
            .record([("prompt_tokens", .whole), ("completion_tokens", .whole), ("total_tokens", .whole)])
        ),
        ("timings", timings),
    ]

    private static func choice(_ content: String) -> JSONValue {
        .record([
            ("index", .whole), (content, message()), ("logprobs", .nullable("object")),
            ("finish_reason", .nullable("string")),
        ])
    }

    private static func message(required: [String] = []) -> JSONValue {
        let part = JSONValue.record(
            [("type", .text("text or image_url")), ("text", .text), ("image_url", .record([("url", .text)]))],
            required: ["type"]
        )
        return .record([("role", .text), ("content", ["anyOf": [.text, .list(part)]])], required: required)
    }

    private static let error = JSONValue.record([
        ("message", .text), ("type", .text), ("param", .nullable("string")), ("code", .text),
    ])

    private static let job = JSONValue.record([
        ("id", .text), ("object", .text), ("kind", .choice(of: Job.Kind.self)), ("model", .text),
        ("status", .jobStatus), ("progress", ["type": "number", "minimum": 0, "maximum": 1]), ("step", .whole),
        ("steps", .whole), ("stage", .nullable("string")), ("queue_position", .nullable("integer")),
        ("eta_seconds", .nullable("number")), ("created_at", .whole), ("started_at", .nullable("integer")),
        ("completed_at", .nullable("integer")), ("expires_at", .nullable("integer")),
        ("request", .nullable("object")), ("result", .nullable("object")), ("error", .nullable("object")),
        (
            "urls",
            .record([
                ("self", .text), ("events", .text), ("cancel", .text), ("content", .nullable("string")),
            ])
        ),
    ])

    private static let model = JSONValue.record([
        ("id", .text), ("object", .text), ("created", .whole), ("owned_by", .text),
        ("family", .nullable("string")), ("tasks", .nullable("array")), ("input_modalities", .nullable("array")),
        ("output_modalities", .nullable("array")), ("defaults", .nullable("object")), ("limits", .nullable("object")),
        ("memory", .record([("weight_bytes", .nullable("integer"))])), ("state", .text),
        ("reason", .nullable("string")),
        ("seconds_per_step", ["type": "object", "additionalProperties": ["type": "number"]]),
    ])

    private static func list(of schema: String) -> JSONValue {
        .record([("object", .text), ("data", .list(.reference(schema)))])
    }
}

/// Pieces of schemas.
extension JSONValue {
    static let text: JSONValue = ["type": "string"]
    static let whole: JSONValue = ["type": "integer"]
    static let flag: JSONValue = ["type": "boolean"]
    static let magnitude: JSONValue = ["type": "number", "minimum": 0]
    static let jobStatus = choice(of: Job.Status.self)

    static func text(_ description: String, type: String = "string") -> JSONValue {
        ["type": .string(type), "description": .string(description)]
    }

    static func whole(_ range: ClosedRange<Int>) -> JSONValue {
        ["type": "integer", "minimum": .number(range.lowerBound), "maximum": .number(range.upperBound)]
    }

    static func nullable(_ type: String) -> JSONValue { ["type": [.string(type), "null"]] }

    static func list(_ items: JSONValue) -> JSONValue { ["type": "array", "items": items] }

    static func reference(_ schema: String) -> JSONValue { ["$ref": .string("#/components/schemas/\(schema)")] }

    static func choice<Choice: RawRepresentable<String> & CaseIterable>(of type: Choice.Type) -> JSONValue {
        ["type": "string", "enum": .array(type.allCases.map { .string($0.rawValue) })]
    }

    /// An object with these members.
    static func record(_ members: [(String, JSONValue)], required: [String] = []) -> JSONValue {
        var properties = JSONObject()
        for (name, schema) in members { properties[name] = schema }
        var record: JSONObject = ["type": "object", "properties": .object(properties)]
        if !required.isEmpty { record["required"] = .array(required.map(JSONValue.string)) }
        return .object(record)
    }
}
