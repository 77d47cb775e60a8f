import Foundation
import GoldenData
import Testing

private let sana = "metaquery_llavaov_sana"
private let stableDiffusion = "metaquery_qwen25vl_sd"
private let areGoldensHere = GoldenData.isHere(sana) && GoldenData.isHere(stableDiffusion)

/// The goldens of MetaQuery through `triptych generate`, `triptych ask` and `triptych check`: base models are found by
/// their hub names.
@Suite(.serialized, .enabled(if: areGoldensHere, "needs the full golden data: TRIPTYCH_GOLDENS"))
struct GoldenMetaQueryCommandTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func configuration(for model: String, family: String = "metaquery") throws -> String {
        let file = folder.url.appending(path: "triptych.yaml")
        let goldens = GoldenData.url(model).path
        let base = model == sana ? "llava-hf/llava-onevision-qwen2-tiny-ov-hf" : "Qwen/Qwen2.5-VL-tiny-Instruct"
        try Data(
            """
            models_root: "\(goldens)/components"
            models:
              - name: golden
                family: \(family)
                path: "\(goldens)/\(family == "mllm" ? "components/\(base)" : "checkpoint")"
            """.utf8
        ).write(to: file)
        return file.path
    }

    private func arguments(_ command: String, for golden: GoldenCase, config: String) -> [String] {
        let images = golden.json["images"] as? [String] ?? []
        return [command, "--config", config, "--model", "golden", "--json"]
            + images.flatMap { ["--image", golden.folder.appending(path: $0).path] }
    }

    @Test(
        arguments: ["t2i", "t2i_negative_two", "edit", "edit_no_image_guidance", "two_images", "reconstruct"]
            .map { "\(sana)/cases/\($0)" }
            + ["t2i", "t2i_long_caption", "two_images"].map { "\(stableDiffusion)/cases/\($0)" }
    )
    func generate_equalsTheReferencePicture(name: String) throws {
        let golden = try GoldenCase(name)
        let config = try configuration(for: String(name.prefix { $0 != "/" }))
        let output = folder.url.appending(path: "out.png")
        let outcome = try CommandLineProgram.run(
            arguments("generate", for: golden, config: config) + [
                "--prompt", try golden.string("caption"), "--negative-prompt", try golden.string("negative_prompt"),
                "--seed", "\(try golden.integer("seed"))", "--steps", "\(try golden.integer("steps"))",
                "--guidance", "\(try golden.number("guidance_scale"))",
                "--image-guidance", "\(try golden.number("image_guidance_scale"))",
                "--size", "\(try golden.integer("width"))x\(try golden.integer("height"))", "-o", output.path,
            ]
        )
        try #require(outcome.status == 0, "\(outcome.errors)")
        let expected = try #require((golden.json["expected_images"] as? [String])?.first)
        try expectPicture(at: output, toEqual: golden.folder.appending(path: expected))
    }

    /// With MetaQuery around the base model, and with the base model alone.
    @Test(arguments: [sana, stableDiffusion], ["chat_text", "chat_image0", "chat_image1"])
    func ask_equalsTheReferenceTokens(model: String, name: String) throws {
        let golden = try GoldenCase("\(model)/cases/\(name)")
        let messages = try #require(golden.json["messages"] as? [[String: Any]])
        let parts = try #require(messages.first?["content"] as? [[String: Any]])
        let question = parts.compactMap { $0["text"] as? String }.joined()
        for family in ["metaquery", "mllm"] {
            let config = try configuration(for: model, family: family)
            let outcome = try CommandLineProgram.run(
                arguments("ask", for: golden, config: config) + [
                    "--question", question, "--max-tokens", "\(try golden.integer("max_new_tokens"))",
                ]
            )
            try #require(outcome.status == 0, "\(outcome.errors)")

            struct Report: Decodable {
                var token_ids: [Int]
            }
            let report = try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
            let expected = try golden.integers("generated_ids")
            // Only the reference's ids hold what ended the reply.
            #expect(
                expected.starts(with: report.token_ids) && expected.count - report.token_ids.count <= 1,
                "\(family): \(report)"
            )
        }
    }

    @Test(arguments: [sana, stableDiffusion]) func check_findsNothingWrong(model: String) throws {
        for family in ["metaquery", "mllm"] {
            let config = try configuration(for: model, family: family)
            let outcome = try CommandLineProgram.run(["check", "golden", "--config", config])
            #expect(outcome.status == 0, "\(outcome)")
            #expect(outcome.output.contains("language model"))
            #expect(outcome.output.contains("connector") == (family == "metaquery"))
        }
    }
}
