/// The fields that a kind of request knows.
struct FieldNames {
    /// Fields that mean something here.
    let accepted: [String]
    /// Fields of OpenAI's API that mean nothing here: only values that ask for nothing are accepted.
    let neutral: [String]
    /// Fields of this API that are not built yet: only values that ask for nothing are accepted.
    let notYet: [String]

    private static let picture = [
        "prompt", "model", "n", "size", "response_format", "output_format", "output_compression", "seed",
        "num_inference_steps", "guidance_scale", "negative_prompt", "image_guidance_scale", "partial_images", "user",
        "metadata",
    ]

    static let generation = FieldNames(
        accepted: picture + ["images"],
        neutral: ["background", "moderation", "quality", "style"],
        notYet: ["stream", "webhook_url"]
    )

    static let edit = FieldNames(
        accepted: picture + ["image", "image[]", "images"],
        neutral: ["background", "input_fidelity", "mask", "moderation", "quality", "style"],
        notYet: ["stream", "webhook_url"]
    )

    static let answer = FieldNames(
        accepted: ["model", "image", "image[]", "images", "question", "max_tokens", "temperature", "seed"],
        neutral: [],
        notYet: ["webhook_url"]
    )

    static let chat = FieldNames(
        accepted: [
            "model", "messages", "max_completion_tokens", "max_tokens", "temperature", "top_p", "top_k", "seed",
            "stop", "n", "logprobs", "top_logprobs", "stream", "stream_options", "modalities", "num_inference_steps",
            "guidance_scale", "output_format", "output_compression", "user", "metadata",
        ],
        neutral: [
            "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "moderation",
            "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key", "prompt_cache_retention",
            "reasoning_effort", "response_format", "safety_identifier", "service_tier", "store", "tool_choice",
            "tools", "verbosity", "web_search_options",
        ],
        notYet: ["webhook_url"]
    )

    /// Whether a form's part of this name is a picture.
    static func isPicture(_ name: String) -> Bool { ["image", "image[]", "images"].contains(name) }
}
