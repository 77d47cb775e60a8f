import Pipelines
import Serving
import StrictJSON

/// Writes models as `GET /v1/models` has them.
enum ModelRenderer {
    static func model(_ status: ModelStatus) -> JSONValue {
        let description = status.description
        return [
            "id": .string(status.name),
            "object": "model",
            "created": 0,
            "owned_by": "triptych",
            "family": .optional(status.family),
            "tasks": description.map { .strings($0.tasks.map(\.rawValue).sorted()) } ?? nil,
            "input_modalities": description.map { .strings($0.inputModalities.map(\.rawValue)) } ?? nil,
            "output_modalities": description.map { .strings($0.outputModalities.map(\.rawValue)) } ?? nil,
            "defaults": description.map(defaults) ?? nil,
            "limits": description.map(limits) ?? nil,
            "memory": ["weight_bytes": status.weightBytes.map { .number($0) } ?? nil],
            "state": .string(state(status.state)),
            "reason": .optional(status.reason),
            "seconds_per_step": secondsPerStep(status),
        ]
    }

    /// A model on its way is not there yet: clients know three states.
    private static func state(_ state: ModelStatus.State) -> String {
        state == .loading ? ModelStatus.State.unloaded.rawValue : state.rawValue
    }

    /// Null where the model draws no pictures.
    private static func defaults(_ description: ModelDescription) -> JSONValue {
        guard description.draws else { return nil }
        let defaults = description.defaults
        return [
            "num_inference_steps": .number(defaults.steps), "guidance_scale": .number(defaults.guidanceScale),
            "image_guidance_scale": .number(defaults.imageGuidanceScale), "size": .size(defaults.size),
        ]
    }

    /// The sizes are null where the model draws no pictures.
    private static func limits(_ description: ModelDescription) -> JSONValue {
        let (limits, draws) = (description.limits, description.draws)
        return [
            "min_size": draws ? .size(limits.minimumSize) : nil, "max_size": draws ? .size(limits.maximumSize) : nil,
            "size_multiple": draws ? .number(limits.sizeMultiple) : nil, "max_images": .number(limits.maximumImages),
            "context_length": .number(limits.contextLength),
        ]
    }

    private static func secondsPerStep(_ status: ModelStatus) -> JSONValue {
        var stages = JSONObject()
        for stage in RunProgress.Stage.allCases {
            if let seconds = status.secondsPerStep[stage] { stages[stage.rawValue] = .rounded(seconds) }
        }
        return .object(stages)
    }
}

extension JSONValue {
    fileprivate static func strings(_ texts: [String]) -> JSONValue { .array(texts.map(JSONValue.string)) }

    fileprivate static func size(_ size: PictureSize) -> JSONValue { .string("\(size.width)x\(size.height)") }
}
