import Foundation
import GoldenData
import Images
import Samplers
import Tensors

@testable import Pipelines

/// The tiny MetaQuery models of the golden data, and the embedded ones: for those `training/metaquery/fixtures.py` asks
/// transformers and diffusers.
enum GoldenMetaQuery {
    static let sana = "metaquery_llavaov_sana"
    static let stableDiffusion = "metaquery_qwen25vl_sd"
    static let isHere = GoldenData.isHere(sana) && GoldenData.isHere(stableDiffusion)
    private static let shapes = "metaquery-shapes"
    private static let stableDiffusionShapes = "metaquery-sd-shapes"

    /// Cases of a picture out of text, or of pictures and text.
    static let drawings =
        cases(shapes, ["t2i", "edit", "two_images", "reconstruct"])
        + cases(stableDiffusionShapes, ["t2i", "edit"])
        + full {
            cases(sana, ["t2i", "t2i_negative_two", "edit", "edit_no_image_guidance", "two_images", "reconstruct"])
                + cases(stableDiffusion, ["t2i", "t2i_long_caption", "two_images"])
        }
    static let chats = chats(shapes) + full { chats(sana) + chats(stableDiffusion) }

    private static func chats(_ model: String) -> [String] {
        cases(model, ["chat_text", "chat_image0", "chat_image1"])
    }
    private static func cases(_ model: String, _ names: [String]) -> [String] { names.map { "\(model)/\($0)" } }
    /// Cases of the golden data, where it is whole.
    private static func full(_ cases: () -> [String]) -> [String] { isHere ? cases() : [] }

    /// - Parameter name: such as `metaquery_llavaov_sana/edit`
    static func golden(_ name: String) throws -> GoldenCase {
        try GoldenCase(name.replacing("/", with: "/cases/"))
    }

    static func entry(_ model: String) -> ModelEntry {
        if [shapes, stableDiffusionShapes].contains(model) {
            let folder = GoldenData.embeddedModel(model)
            return ModelEntry(
                name: model,
                family: "metaquery",
                path: folder,
                diffusion: folder.appending(path: "diffusion"),
                mllm: folder.appending(path: "mllm")
            )
        }
        let components = GoldenData.url(model).appending(path: "components")
        let isSana = model == sana
        return ModelEntry(
            name: model,
            family: "metaquery",
            path: GoldenData.url(model).appending(path: "checkpoint"),
            diffusion: components.appending(
                path: isSana
                    ? "Efficient-Large-Model/Sana_tiny_diffusers" : "stable-diffusion-v1-5/stable-diffusion-v1-5"
            ),
            mllm: components.appending(
                path: isSana ? "llava-hf/llava-onevision-qwen2-tiny-ov-hf" : "Qwen/Qwen2.5-VL-tiny-Instruct"
            )
        )
    }
}

extension GoldenCase {
    /// The model of a MetaQuery case.
    var metaQueryModel: String { folder.deletingLastPathComponent().deletingLastPathComponent().lastPathComponent }

    /// A MetaQuery case as a request; all but the first of its pictures come from a generator that no request has.
    func metaQueryRequest() throws -> GenerationRequest {
        let names = json["images"] as? [String] ?? []
        return GenerationRequest(
            prompt: try string("caption"),
            negativePrompt: try string("negative_prompt"),
            images: try names.map { try GoldenModel.picture(folder.appending(path: $0)) },
            count: try integer("num_images_per_prompt"),
            seed: UInt64(try integer("seed")),
            steps: try integer("steps"),
            guidanceScale: try number("guidance_scale"),
            imageGuidanceScale: try number("image_guidance_scale")
        )
    }

    var pictureSize: PictureSize {
        get throws { PictureSize(width: try integer("width"), height: try integer("height")) }
    }
}

extension LatentRendering.State {
    /// The same, but for where the pictures begin: one generator drew the noise of all of them, one after the other.
    func startingFrom(_ noise: [[Float]]) throws -> LatentRendering.State {
        let data = try PropertyListEncoder().encode(self)
        var state = try PropertyListSerialization.propertyList(from: data, format: nil) as? [String: Any] ?? [:]
        var drawings = state["drawings"] as? [[String: Any]] ?? []
        for (index, values) in noise.enumerated() {
            drawings[index]["latents"] = values.map(\.bitPattern.littleEndian).withUnsafeBytes { Data($0) }
        }
        state["drawings"] = drawings
        let changed = try PropertyListSerialization.data(fromPropertyList: state, format: .binary, options: 0)
        return try PropertyListDecoder().decode(LatentRendering.State.self, from: changed)
    }
}

extension GoldenMetaQuery {
    static func pipeline(_ model: String) throws -> MetaQueryPipeline {
        let entry = entry(model)
        return try MetaQueryPipeline(MetaQueryModel(MetaQueryFolder(entry)), entry)
    }
}
