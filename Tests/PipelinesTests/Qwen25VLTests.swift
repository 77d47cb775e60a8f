import Checkpoints
import Foundation
import GoldenData
import Images
import Networks
import Tensors
import Testing
import Tokenizers

@testable import Pipelines

/// Qwen2.5-VL as a base model alone.
@Suite(.enabled(if: GoldenData.isHere(GoldenMultimodalLLM.qwen25VL), "needs the full golden data: TRIPTYCH_GOLDENS"))
struct Qwen25VLTests {
    private func model() throws -> MultimodalLLM { try GoldenMultimodalLLM.model(GoldenMultimodalLLM.qwen25VL) }

    private func golden(_ name: String) throws -> GoldenCase {
        try GoldenCase("\(GoldenMultimodalLLM.qwen25VL)/cases/\(name)")
    }

    private func spatial(_ positions: [Int], rows: Int) -> RotaryPositions {
        RotaryPositions(
            times: [Array(positions[0..<rows])],
            rows: [Array(positions[rows..<(2 * rows)])],
            columns: [Array(positions[(2 * rows)..<(3 * rows)])]
        )
    }

    // MARK: Against the reference

    @Test(arguments: ["chat_text", "chat_image0", "chat_image1"]) func chat_equalsTheReference(name: String) throws {
        let golden = try golden(name)
        let model = try model()
        let prompt = try model.prompt(of: golden.conversation(), field: "messages")
        #expect(prompt.ids(model.front) == (try golden.integers("input_ids")))
        if golden.contains("position_ids") {
            let expected = try spatial(golden.integers("position_ids"), rows: prompt.count)
            #expect(prompt.positions?.rows == expected)
        }
        let features = try prompt.inputs.map(model.features)
        if let features = features.first {
            #expect(deviation(features, from: try golden.tensor("image_features")) < 5e-5)
        }

        #expect(golden.contains("hidden_last_layer_prompt_last"))
        let ids = try model.greedyReply(to: prompt, features: features, as: golden)
        let withSpecials = model.tokenizer.decode(ids, skipSpecialTokens: false)
        #expect(withSpecials == (try golden.string("expected_text_with_specials")))
    }

    @Test(arguments: ["chat_text", "chat_image0", "chat_image1"]) func reply_isTheReferences(name: String) throws {
        let golden = try golden(name)
        let model = try model()
        let request = ChatRequest(turns: try golden.conversation(), maxTokens: try golden.integer("max_new_tokens"))
        var run = try model.replying(request)
        let (replies, usage) = try run.replies()
        #expect(replies[0].tokenIDs == (try golden.integers("generated_ids")))
        #expect(usage.inputTokens == (try golden.integer("num_input_tokens")))
    }

    @Test func reply_goesOnFromAnyStep() throws {
        let model = try model()
        let request = ChatRequest(turns: try golden("chat_image0").conversation(), maxTokens: 6)
        var whole = try model.replying(request)
        let expected = try whole.finish()
        for steps in [1, 4] {
            var first = try model.replying(request)
            for _ in 0..<steps { #expect(try first.advance() == nil) }
            var second = try model.replying(request)
            try second.restore(first.archivedState())
            #expect(try second.finish() == expected, "\(steps) steps")
        }
    }

    // MARK: Prompts

    private let white = PixelImage(width: 112, height: 56, color: .white)
    private let black = PixelImage(width: 56, height: 56, color: .black)

    private func prompt(
        _ model: MultimodalLLM,
        _ parts: [ChatMessage.Part],
        _ inputs: [VisualInput]
    ) throws -> MultimodalPrompt {
        let segments = try model.template.render([ChatMessage(.user, parts)], bosToken: nil, addGenerationPrompt: true)
        return try model.prompt(segments, inputs, field: "messages")
    }

    @Test func picturesAndVideos_standWhereTheyAreSpokenOf() throws {
        let model = try model()
        let video = VisualInput.video([black, white, black], framesPerSecond: 1)
        let prompt = try prompt(
            model,
            [.text("First"), .image, .text("then"), .video, .image, .text("What?")],
            [.picture(white), video, .picture(black)]
        )
        let ids = prompt.ids(model.front)
        #expect(ids.count { $0 == model.front.pictureToken } == 8 + 4)
        #expect(ids.count { $0 == model.front.videoToken } == 2 * 4)
        let positions = try #require(prompt.positions)
        #expect(positions.rows.rows == prompt.count && positions.rows.isSpatial)
        // Two seconds a patch at two positions a second: the video's second patch stands 4 behind its first.
        var expected = SpatialPositions()
        let first = try #require(ids.firstIndex { $0 == model.front.pictureToken })
        expected.appendText(first)
        expected.appendPicture(PatchGrid(frames: 1, rows: 2, columns: 4))
        let start = try #require(ids.firstIndex { $0 == model.front.videoToken })
        expected.appendText(start - expected.count)
        let clock = VideoClock(framesPerSecond: 1, temporalPatchSize: 2, tokensPerSecond: 2)
        expected.appendVideo(PatchGrid(frames: 2, rows: 2, columns: 2), clock)
        #expect(clock.position(ofPatch: 1) == 4)
        #expect(positions.rows[0..<expected.count] == expected.rotary)
        #expect(positions.next < prompt.count)

        let features = try prompt.inputs.map(model.features)
        #expect(features.map { $0.shape[0] } == [8, 8, 4])
        let hidden = model.read(prompt, features: features)
        #expect(hidden.shape == [1, prompt.count, 64] && hidden.array.allSatisfy { $0.isFinite })
    }

    @Test func videos_areLookedAtTwoFramesAtATime() throws {
        let model = try model()
        let video = VisualInput.video([white, black, black], framesPerSecond: 2)
        #expect(model.front.partCount(of: video) == 2)
        let features = try model.features(of: video)
        // The last frame is shown twice, at the size of the first.
        let still = VisualInput.picture(black.resized(width: 112, height: 56, filter: .bicubic))
        #expect(features[8..<16].array == (try model.features(of: still)).array)
        #expect(features[0..<8].array != features[8..<16].array)
    }

    /// 8,100 patches: the work of a part is two of the three layers.
    @Test func largePictures_areLookedAtSomeLayersAtATime() throws {
        let model = try model()
        let front = try #require(model.front as? Qwen25VLFront)
        let picture = PixelImage(width: 1260, height: 1260, color: .white)
        #expect(front.partCount(of: .picture(picture)) == 2)
        let patched = front.imageProcessor(picture)
        let features = try model.features(of: .picture(picture))
        #expect(features.array == front.network(patched.patches, patched.grid).array)
    }

    @Test func inputsThatCantBeLookedAt_areRefused() throws {
        let model = try model()
        let strip = PixelImage(width: 402, height: 2, color: .white)
        var error = #expect(throws: PipelineError.self) {
            try model.prompt(of: [ChatTurn(.user, "What?", images: [strip])], field: "messages")
        }
        #expect(error?.description.contains("more than 200 times") == true)
        for rate in [0, -1, .nan, .infinity, 1e-9] {
            error = #expect(throws: PipelineError.self) {
                try prompt(model, [.video], [.video([black], framesPerSecond: rate)])
            }
            #expect(error?.description.contains("frames a second") == true)
        }
    }

    // MARK: Folder

    @Test(arguments: [
        ("config.json", "\"image_token_id\": 772", "\"image_token_id\": 774", "<|image_pad|> is not the token 774"),
        ("config.json", "\"out_hidden_size\": 64", "\"out_hidden_size\": 32", "vision_config: out_hidden_size is 32"),
        ("config.json", "mrope_section", "sections", "rope_scaling: names no mrope_section"),
        ("config.json", "\"depth\": 3", "\"depth\": 2", "visual.blocks.2"),
        ("preprocessor_config.json", "\"merge_size\": 2", "\"merge_size\": 1", "merge_size: 1, but the vision"),
        ("preprocessor_config.json", "\"patch_size\": 14", "\"patch_size\": 16", "patch_size: 16, but the vision"),
        ("preprocessor_config.json", "Qwen2VLImageProcessor", "CLIPImageProcessor", "image_processor_type"),
        ("config.json", "\"video_token_id\": 773", "\"video_token_id\": 1", "<|video_pad|> is not the token 1"),
    ])
    func folder_problemsAreNamed(file: String, text: String, other: String, reason: String) throws {
        let problem = try GoldenMultimodalLLM.problem(GoldenMultimodalLLM.qwen25VL, in: file, text, other)
        #expect(problem.contains(reason), "\(problem)")
    }

    @Test func folder_hasNoProblemsWithItsWeights() throws {
        let folder = MultimodalFolder(url: GoldenMultimodalLLM.folder(GoldenMultimodalLLM.qwen25VL))
        #expect(try folder.problems(folder.weights()).isEmpty)
        #expect(try model().endTokens == [760, 762])
    }

    @Test func config_isReadFromBothLayouts() throws {
        let folder = GoldenMultimodalLLM.folder(GoldenMultimodalLLM.qwen25VL)
        let file = folder.appending(path: "config.json")
        let old = try ConfigurationFile.decode(Qwen25VLConfig.self, at: file)
        #expect(old.text.tiesHead && old.pictureToken == 772 && old.videoToken == 773 && old.endTokens == [762])
        // Newer versions keep the language model's keys in a part of its own.
        let data = try Data(contentsOf: file)
        var root = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        let kept = ["model_type", "vision_config", "image_token_id", "video_token_id", "tie_word_embeddings"]
        var text = root.filter { !kept.contains($0.key) }
        text["model_type"] = "qwen2_5_vl_text"
        root = root.filter { kept.contains($0.key) }
        root["text_config"] = text
        let new = try ConfigurationFile.decode(
            Qwen25VLConfig.self,
            from: JSONSerialization.data(withJSONObject: root),
            file: "config.json"
        )
        #expect(new == old)
    }
}
