import Checkpoints
import Foundation
import GoldenData
import Images
import Networks
import Samplers
import Tensors

@testable import Pipelines

/// The tiny models of the golden data as pipelines.
enum GoldenModel {
    static let names = ["llamafusion", "llamafusion-shallow", "transfusion"]

    static func entry(_ name: String) -> ModelEntry {
        let folder = GoldenData.folder.appending(path: name).appending(path: "checkpoint")
        return ModelEntry(name: name, family: "llamafusion", path: folder)
    }

    static func pipeline(_ name: String, scheduler: SchedulerKind? = nil) throws -> LlamaFusionPipeline {
        let entry = entry(name)
        return try LlamaFusionPipeline(
            LlamaFusionModel(LlamaFusionFolder(url: entry.path), scheduler: scheduler),
            entry
        )
    }

    static func picture(_ url: URL) throws -> PixelImage {
        try ImageDecoder.decode(Data(contentsOf: url), limits: ImageLimits(maxPixels: 1 << 20, maxBytes: 1 << 20))
    }
}

extension GoldenCase {
    /// The case as a request for a picture.
    func generation(count: Int = 1) throws -> GenerationRequest {
        let isEdit = json["source"] != nil
        return GenerationRequest(
            prompt: try string("prompt"),
            images: isEdit ? [try GoldenModel.picture(folder.appending(path: "source.png"))] : [],
            count: count,
            seed: UInt64(try integer("seed")),
            steps: try integer("steps"),
            guidanceScale: try number("guidance_scale"),
            imageGuidanceScale: isEdit ? try number("image_guidance_scale") : nil
        )
    }

    /// The case as a question.
    func answer() throws -> AnswerRequest {
        let hasPicture = json["source"] != nil
        return AnswerRequest(
            question: try string(hasPicture ? "question" : "prompt"),
            images: hasPicture ? [try GoldenModel.picture(folder.appending(path: "source.png"))] : [],
            maxTokens: try integer("max_new_tokens")
        )
    }

    /// The scheduler that the case names, where it is not the checkpoint's.
    var scheduler: SchedulerKind? {
        (try? string("scheduler")) == "DDPMScheduler" ? .ddpm : nil
    }
}

extension PipelineRun {
    /// Runs to the end.
    mutating func finish() throws -> RunResult {
        while true {
            if let result = try advance() { return result }
        }
    }

    mutating func answer() throws -> GeneratedAnswer {
        guard case .answer(let answer, _) = try finish() else { throw NoSuchResult() }
        return answer
    }

    mutating func pictures() throws -> [GeneratedPicture] {
        guard case .pictures(let pictures, _) = try finish() else { throw NoSuchResult() }
        return pictures
    }
}

struct NoSuchResult: Error {}
