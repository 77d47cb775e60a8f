import Checkpoints
import Foundation
import GoldenData
import Images
import Networks
import Samplers
import Tensors
import Testing

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

    mutating func replies() throws -> (replies: [ChatReply], usage: TokenUsage) {
        guard case .replies(let replies, let usage) = try finish() else { throw NoSuchResult() }
        return (replies, usage)
    }
}

struct NoSuchResult: Error {}

extension PixelImage {
    /// Within the tolerance of the golden data for PNGs.
    func expectEqual(to file: URL, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let expected = try GoldenModel.picture(file)
        #expect(width == expected.width && height == expected.height, sourceLocation: sourceLocation)
        let levels = zip(pixels, expected.pixels).map { abs(Int($0) - Int($1)) }
        #expect(levels.allSatisfy { $0 <= 2 }, "\(levels.max() ?? 0) levels", sourceLocation: sourceLocation)
        #expect(Double(levels.reduce(0, +)) / Double(levels.count) < 0.1, sourceLocation: sourceLocation)
    }
}

/// Changes a text in a file of a model's copy.
func edit(_ folder: URL?, _ file: String, _ old: String, _ new: String) throws {
    let url = try #require(folder).appending(path: file)
    let text = try String(contentsOf: url, encoding: .utf8)
    #expect(text.contains(old), "\(old) in \(file)")
    try Data(text.replacing(old, with: new).utf8).write(to: url)
}

func remove(_ folder: URL?, _ file: String) throws {
    try FileManager.default.removeItem(at: #require(folder).appending(path: file))
}
