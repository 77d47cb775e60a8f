import Foundation
import GoldenData
import Testing

/// The goldens of MetaMorph through `triptych generate`, `triptych ask` and `triptych check`.
@Suite(.serialized) struct GoldenMetaMorphCommandTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func configuration(for checkpoint: String) throws -> String {
        let file = folder.url.appending(path: "triptych.yaml")
        let goldens = GoldenData.folder.appending(path: "metamorph").path
        try Data(
            """
            models:
              - name: golden
                family: metamorph
                path: "\(goldens)/\(checkpoint)"
                vision_tower: "\(goldens)/components/google/siglip-so400m-patch14-384"
                visualizer: "\(goldens)/visualizer"
                diffusion: "\(goldens)/components/stable-diffusion-v1-5/stable-diffusion-v1-5"
            """.utf8
        ).write(to: file)
        return file.path
    }

    private func arguments(_ command: String, for golden: GoldenCase) throws -> [String] {
        let checkpoint = try golden.string("checkpoint").replacing("../", with: "")
        let images = golden.json["images"] as? [String] ?? []
        return [command, "--config", try configuration(for: checkpoint), "--model", "golden", "--json"]
            + images.flatMap { ["--image", golden.folder.appending(path: $0).path] }
    }

    @Test(
        arguments: [
            "understand", "understand_b", "two_frames", "placeholder", "text_to_image", "text_to_image_b", "transform",
        ]
    )
    func ask_equalsTheReferenceTokens(name: String) throws {
        let golden = try GoldenCase("metamorph/cases/\(name)")
        // The reference takes one step more than it is told.
        let limit = try golden.integer("max_new_tokens") + 1
        let outcome = try CommandLineProgram.run(
            arguments("ask", for: golden) + ["--question", golden.string("user_text"), "--max-tokens", "\(limit)"]
        )
        try #require(outcome.status == 0, "\(outcome.errors)")

        struct Report: Decodable {
            var token_ids: [Int]
        }
        let report = try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
        let expected = try golden.integers("generated_ids")
        // Only the reference's ids hold what ended the reply.
        #expect(expected.starts(with: report.token_ids) && expected.count - report.token_ids.count <= 1, "\(report)")
    }

    @Test(arguments: [("text_to_image", "Generate an image of "), ("transform", "")])
    func generate_equalsTheReferencePicture(name: String, template: String) throws {
        let golden = try GoldenCase("metamorph/cases/\(name)")
        let rendering = try GoldenCase("metamorph/cases/visualize_\(name)")
        let text = try golden.string("user_text")
        try #require(text.hasPrefix(template))
        let output = folder.url.appending(path: "out.png")
        let size = "\(try rendering.integer("width"))x\(try rendering.integer("height"))"
        let outcome = try CommandLineProgram.run(
            arguments("generate", for: golden) + [
                "--prompt", String(text.dropFirst(template.count)), "--seed", "\(try rendering.integer("seed"))",
                "--steps", "\(try rendering.integer("steps"))", "--size", size,
                "--guidance", "\(try rendering.number("guidance_scale"))", "-o", output.path,
            ]
        )
        try #require(outcome.status == 0, "\(outcome.errors)")
        try expectPicture(at: output, toEqual: rendering.folder.appending(path: "expected.png"))
    }

    @Test func check_findsNothingWrong() throws {
        let config = try configuration(for: "checkpoint_metamorph")
        let outcome = try CommandLineProgram.run(["check", "golden", "--config", config])
        #expect(outcome.status == 0, "\(outcome)")
        #expect(outcome.output.contains("vision tower") && outcome.output.contains("UNet"))
    }
}
