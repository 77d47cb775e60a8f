import Foundation
import GoldenData
import Testing

/// The goldens of LlamaFusion and Transfusion through `triptych generate` and `triptych ask`.
@Suite(.serialized) struct GoldenCommandTests {
    static let models = ["llamafusion", "llamafusion-shallow", "transfusion"]
    /// `text_to_image_ddpm` names a scheduler that is not the checkpoint's; no flag chooses one.
    static let pictureCases = ["text_to_image", "text_to_image_unguided", "edit"]
    static let textCases = ["text", "caption", "question"]

    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func configuration(for model: String) throws -> String {
        let file = folder.url.appending(path: "triptych.yaml")
        let path = GoldenData.folder.appending(path: "\(model)/checkpoint").path
        try Data("models: [{name: golden, family: llamafusion, path: \"\(path)\"}]\n".utf8).write(to: file)
        return file.path
    }

    /// `--image` for a case with a source picture.
    private func sourceArguments(_ golden: GoldenCase) -> [String] {
        guard let source = golden.json["source"] as? String else { return [] }
        return ["--image", golden.folder.appending(path: source).path]
    }

    @Test(arguments: models, pictureCases)
    func generate_equalsTheReferencePicture(model: String, name: String) throws {
        let golden = try GoldenCase("\(model)/cases/\(name)")
        let output = folder.url.appending(path: "\(name).png")
        var arguments = [
            "generate", "--config", try configuration(for: model), "--model", "golden", "--json", "-o", output.path,
            "--prompt", try golden.string("prompt"), "--seed", "\(try golden.integer("seed"))",
            "--steps", "\(try golden.integer("steps"))", "--guidance", "\(try golden.number("guidance_scale"))",
        ]
        arguments += sourceArguments(golden)
        if let scale = golden.json["image_guidance_scale"] { arguments += ["--image-guidance", "\(scale)"] }
        let outcome = try CommandLineProgram.run(arguments)
        try #require(outcome.status == 0, "\(outcome.errors)")

        try expectPicture(at: output, toEqual: golden.folder.appending(path: "expected.png"))
    }

    @Test(arguments: models, textCases)
    func ask_equalsTheReferenceTokens(model: String, name: String) throws {
        let golden = try GoldenCase("\(model)/cases/\(name)")
        let question = try golden.string(golden.json["question"] == nil ? "prompt" : "question")
        let outcome = try CommandLineProgram.run(
            [
                "ask", "--config", try configuration(for: model), "--model", "golden", "--json",
                "--question", question, "--max-tokens", "\(try golden.integer("max_new_tokens"))",
            ] + sourceArguments(golden)
        )
        try #require(outcome.status == 0, "\(outcome.errors)")

        struct Report: Decodable {
            var token_ids: [Int]
        }
        let report = try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
        #expect(report.token_ids == (try golden.integers("token_ids")))
    }
}
