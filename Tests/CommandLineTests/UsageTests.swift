import Foundation
import GoldenData
import Testing

/// Exit statuses and messages: 0, 1 (failed), 2 (usage); results on standard output, everything else beside it.
@Suite(.serialized) struct UsageTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func write(_ text: String, to name: String) throws -> String {
        let file = folder.url.appending(path: name)
        try Data(text.utf8).write(to: file)
        return file.path
    }

    @Test(arguments: [
        ["nonsense"],
        ["generate", "--model", "m", "--prompt", "p"],
        ["generate", "--model", "m", "--prompt", "p", "-o", "x.png", "-n", "9"],
        ["generate", "--model", "m", "--prompt", "p", "-o", "x.png", "--steps", "0"],
        ["generate", "--model", "m", "--prompt", "p", "-o", "x.png", "--guidance", "nan"],
        ["generate", "--model", "m", "--prompt", "", "-o", "x.png"],
        ["generate", "--model", "m", "--prompt", "p", "-o", "x.png", "--size", "64"],
        ["ask", "--model", "m", "--question", ""],
        ["ask", "--model", "m", "--question", "q", "--max-tokens", "0"],
        ["check"],
    ])
    func wrongUsage_exitsWithTwo(arguments: [String]) throws {
        let outcome = try CommandLineProgram.run(arguments)
        #expect(outcome.status == 2, "\(outcome)")
        #expect(outcome.output.isEmpty)
        #expect(!outcome.errors.isEmpty)
    }

    @Test func help_exitsWithZeroOnStandardOutput() throws {
        let outcome = try CommandLineProgram.run(["--help"])
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("generate"))
    }

    @Test func unknownModel_failsAndNamesTheConfiguredOnes() throws {
        let config = try write("models: [{name: a, family: llamafusion, path: nowhere}]\n", to: "c.yaml")
        let outcome = try CommandLineProgram.run(["ask", "--config", config, "--model", "b", "--question", "q"])
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("configured: a"))
    }

    @Test func brokenConfiguration_failsAndNamesTheKey() throws {
        let config = try write("sever: {}\n", to: "c.yaml")
        let outcome = try CommandLineProgram.run(["models", "--config", config])
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("did you mean server?"))
    }

    @Test func models_listsBrokenEntriesBesideGoodOnes() throws {
        let golden = GoldenData.folder.appending(path: "transfusion/checkpoint").path
        let config = try write(
            """
            models:
              - {name: good, family: llamafusion, path: "\(golden)"}
              - {name: nowhere, family: llamafusion, path: nowhere}
              - {name: unknown, family: dalle, path: nowhere}
              - {name: broken, family: llamafusion}
            """,
            to: "c.yaml"
        )
        let outcome = try CommandLineProgram.run(["models", "--config", config, "--json"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        struct Row: Decodable {
            var name: String
            var ready: Bool
            var problems: [String]
        }
        let rows = try JSONDecoder().decode([Row].self, from: Data(outcome.output.utf8))
        #expect(rows.map(\.name) == ["good", "nowhere", "unknown", "broken"])
        #expect(rows.map(\.ready) == [true, false, false, false])
        #expect(rows[0].problems.isEmpty && rows[1...].allSatisfy { !$0.problems.isEmpty })
    }

    @Test func check_listsEveryProblemOfAFolder() throws {
        let golden = GoldenData.folder.appending(path: "transfusion/checkpoint")
        let outcome = try CommandLineProgram.run(["check", golden.path])
        #expect(outcome.status == 0, "\(outcome.errors)")

        // The same checkpoint whose configuration promises one layer more: every tensor of that layer is missing.
        let copy = folder.url.appending(path: "copy")
        try FileManager.default.copyItem(at: golden, to: copy)
        let config = copy.appending(path: "config.json")
        let text = try String(contentsOf: config, encoding: .utf8)
        try Data(text.replacing("\"num_hidden_layers\": 3", with: "\"num_hidden_layers\": 4").utf8).write(to: config)
        let broken = try CommandLineProgram.run(["check", copy.path])
        #expect(broken.status == 1)
        #expect(broken.output.contains("model.layers.3.self_attn.q_proj.weight"))
        #expect(broken.output.contains("model.layers.3.mlp.down_proj.weight"))
    }

    @Test func missingPicture_isNamed() throws {
        let golden = GoldenData.folder.appending(path: "transfusion/checkpoint").path
        let config = try write("models: [{name: a, family: llamafusion, path: \"\(golden)\"}]\n", to: "c.yaml")
        let outcome = try CommandLineProgram.run([
            "ask", "--config", config, "--model", "a", "--question", "q", "--image", "/nowhere/x.png",
        ])
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("/nowhere/x.png"))
    }
}
