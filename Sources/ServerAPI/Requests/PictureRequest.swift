import Foundation
import Images
import Pipelines
import Serving
import StrictJSON

/// The fields of `POST /v1/images/generations` and `POST /v1/images/edits`.
struct PictureRequest {
    let request: GenerationRequest
    let delivery: PictureDelivery
    let model: String?
    /// What the job shows as its request.
    let summary: JSONObject

    /// - Throws: `APIError` 400 naming the first field that is wrong.
    init(_ fields: RequestFields, pictures reader: PictureReader, isEdit: Bool) throws(APIError) {
        let prompt = try fields.requiredString("prompt")
        model = try fields.string("model")
        _ = try fields.string("user", upTo: 512)
        _ = try fields.strings("metadata")
        let count = try fields.integer("n", in: 1...8) ?? 1
        let size = try fields.string("size").flatMap { text throws(APIError) in try Self.size(text) }
        let seed = try fields.integer("seed", in: 0...Int.max)
        let steps = try fields.integer("num_inference_steps", in: 1...1000)
        let guidance = try fields.magnitude("guidance_scale")
        let imageGuidance = try fields.magnitude("image_guidance_scale")
        let negativePrompt = try fields.string("negative_prompt")
        if let partial = try fields.integer("partial_images", in: 0...3), partial > 0 {
            throw .invalid("partial_images", "'partial_images' needs 'stream', which is not supported yet.")
        }
        let form = try fields.choice("response_format", PictureDelivery.Form.self) ?? .base64
        delivery = try Self.delivery(fields, form)

        let pictures = try reader.pictures(of: fields)
        if isEdit, pictures.isEmpty { throw .missing("image") }
        if prompt.isEmpty, pictures.isEmpty {
            throw .invalid("prompt", "'prompt' may be empty only together with pictures.")
        }
        // Only the low 32 bits of a seed count in PyTorch's CPU generator, so nothing is lost by drawing no more.
        let drawn = seed.map(UInt64.init) ?? UInt64(UInt32.random(in: .min ... .max))
        request = GenerationRequest(
            prompt: prompt,
            negativePrompt: negativePrompt,
            images: pictures,
            count: count,
            size: size,
            seed: drawn,
            steps: steps,
            guidanceScale: guidance,
            imageGuidanceScale: imageGuidance
        )

        var summary = fields.summary
        summary["seed"] = .number(drawn)
        if !pictures.isEmpty { summary["images"] = .summary(of: pictures) }
        self.summary = summary
    }

    static func delivery(
        _ fields: RequestFields,
        _ form: PictureDelivery.Form
    ) throws(APIError) -> PictureDelivery {
        let format = try fields.choice("output_format", ImageFormat.self) ?? .png
        let quality = try fields.integer("output_compression", in: 0...100)
        if let quality, quality < 100, format == .png {
            throw .invalid("output_compression", "'output_compression' below 100 needs 'output_format' jpeg or webp.")
        }
        return PictureDelivery(format: format, quality: quality ?? 100, form: form)
    }

    /// - Returns: nil for "auto".
    private static func size(_ text: String) throws(APIError) -> PictureSize? {
        if text == "auto" { return nil }
        let sides = text.split(separator: "x", omittingEmptySubsequences: false).map { side in
            side.isDigits ? Int(side) : nil
        }
        // What a model allows, the model says; this bound only keeps products of sides within an Int.
        guard sides.count == 2, let width = sides[0], let height = sides[1], 1...65_536 ~= width,
            1...65_536 ~= height
        else { throw .invalid("size", "'size' must be 'auto' or WIDTHxHEIGHT in pixels, such as 512x512.") }
        return PictureSize(width: width, height: height)
    }
}

extension JSONValue {
    /// Pictures in a request that a job shows: their sizes only.
    static func summary(of pictures: [PixelImage]) -> JSONValue {
        .array(pictures.map { ["width": .number($0.width), "height": .number($0.height)] })
    }
}
