import Foundation
import GoldenData
import Testing

/// Commands that let a server do the work.
@Suite(.serialized) struct RemoteTests {
    private let folder: TemporaryFolder
    private let server: ServerProgram

    init() throws {
        folder = try TemporaryFolder()
        server = try ServerProgram(in: folder.url)
    }

    private func run(_ arguments: String...) throws -> CommandLineProgram.Outcome {
        try CommandLineProgram.run(arguments + ["--server", server.url.absoluteString])
    }

    private func json(_ text: String) throws -> [String: any Sendable] {
        try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: any Sendable])
    }

    @Test func generate_writesTheServersPictures() throws {
        let golden = try GoldenCase("llamafusion/cases/text_to_image")
        let output = folder.url.appending(path: "out.png").path
        let outcome = try run(
            "generate",
            "--model",
            "golden",
            "--prompt",
            try golden.string("prompt"),
            "--seed",
            "\(try golden.integer("seed"))",
            "--steps",
            "2",
            "-n",
            "2",
            "-o",
            output,
            "--json"
        )
        try #require(outcome.status == 0, "\(outcome.errors)")
        let report = try json(outcome.output)
        #expect(report["seed"] as? Int == (try golden.integer("seed")))
        let files = try #require(report["files"] as? [String])
        #expect(files.count == 2)
        for file in files { #expect(try Data(contentsOf: URL(fileURLWithPath: file)).starts(with: [0x89, 0x50])) }

        // The same request in this process draws the same bytes.
        let config = folder.url.appending(path: "triptych.yaml").path
        let local = folder.url.appending(path: "local.png").path
        let alone = try CommandLineProgram.run([
            "generate", "--config", config, "--model", "golden", "--prompt", try golden.string("prompt"), "--seed",
            "\(try golden.integer("seed"))", "--steps", "2", "-o", local,
        ])
        try #require(alone.status == 0, "\(alone.errors)")
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: local)) == Data(contentsOf: URL(fileURLWithPath: files[0]))
        )
    }

    @Test func ask_printsTheServersAnswer() throws {
        let picture = GoldenData.folder.appending(path: "llamafusion/cases/edit/source.png").path
        let arguments = [
            "ask", "--model", "golden", "--image", picture, "--question", "what?", "--max-tokens", "4", "--json",
        ]
        let remote = try CommandLineProgram.run(arguments + ["--server", server.url.absoluteString])
        let local = try CommandLineProgram.run(
            arguments + ["--config", folder.url.appending(path: "triptych.yaml").path]
        )
        try #require(remote.status == 0 && local.status == 0, "\(remote.errors) \(local.errors)")
        #expect(try json(remote.output)["text"] as? String == json(local.output)["text"] as? String)
        #expect(try json(remote.output)["usage"] as? [String: Int] == json(local.output)["usage"] as? [String: Int])
    }

    @Test func jobs_areListedShownWatchedAndCancelled() async throws {
        let body: [String: any Sendable] = ["prompt": "a cat", "num_inference_steps": 1000, "n": 8]
        let reply = try await server.send("POST", "/v1/images/generations", body, prefer: "respond-async")
        let id = try #require(try server.json(reply.data)["id"] as? String)

        let list = try run("jobs", "list")
        #expect(list.status == 0 && list.output.contains(id), "\(list)")
        #expect(try json(run("jobs", "show", id).output)["id"] as? String == id)
        #expect(try run("jobs", "cancel", id).output.contains("cancelled"))
        let watched = try run("jobs", "watch", id)
        #expect(watched.status == 1 && watched.errors.contains("cancelled"), "\(watched)")
        #expect(try run("jobs", "list", "--status", "completed").output.isEmpty)
    }

    @Test func refusals_areTheServersOwnWords() throws {
        let unknown = try run("jobs", "show", "job_none")
        #expect(unknown.status == 1 && unknown.errors.contains("job_none"), "\(unknown)")
        let model = try run("ask", "--model", "nobody", "--question", "q")
        #expect(model.status == 1 && model.errors.contains("nobody"), "\(model)")
    }

    @Test func missingServer_isNamed() throws {
        let outcome = try CommandLineProgram.run(["jobs", "list", "--server", "http://127.0.0.1:1"])
        #expect(outcome.status == 1 && outcome.errors.contains("http://127.0.0.1:1"), "\(outcome)")
        #expect(try CommandLineProgram.run(["jobs", "list", "--server", "nowhere"]).status == 1)
    }
}
