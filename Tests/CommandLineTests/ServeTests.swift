import Foundation
import FoundationNetworking
import GoldenData
import Images
import Testing

/// `triptych serve` as a process of its own, asked over a socket.
@Suite(.serialized) struct ServeTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func generation(_ golden: GoldenCase) throws -> [String: any Sendable] {
        [
            "prompt": try golden.string("prompt"), "seed": try golden.integer("seed"),
            "num_inference_steps": try golden.integer("steps"), "guidance_scale": try golden.number("guidance_scale"),
        ]
    }

    private func picture(_ data: Data) throws -> PixelImage {
        try ImageDecoder.decode(data, limits: ImageLimits(maxPixels: 1 << 20, maxBytes: 1 << 24))
    }

    private func expectSame(_ data: Data, as golden: GoldenCase) throws {
        let actual = try picture(data)
        let expected = try picture(Data(contentsOf: golden.folder.appending(path: "expected.png")))
        try #require(actual.pixels.count == expected.pixels.count)
        #expect(zip(actual.pixels, expected.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 2 })
    }

    @Test func generation_returnsTheReferencePictureAndTheServerStopsCleanly() async throws {
        let golden = try GoldenCase("llamafusion/cases/text_to_image")
        let server = try ServerProgram(in: folder.url)
        #expect(try await server.send("GET", "/healthz").status == 200)
        #expect(try await server.send("GET", "/readyz").status == 200)

        let reply = try await server.send("POST", "/v1/images/generations", generation(golden))
        #expect(reply.status == 200)
        let data = try #require(try server.json(reply.data)["data"] as? [[String: any Sendable]])
        let encoded = try #require(data.first?["b64_json"] as? String)
        try expectSame(try #require(Data(base64Encoded: encoded)), as: golden)
        #expect(server.ends(with: SIGTERM) == 0)
    }

    @Test func edit_andAnswer_readThePictureOfTheRequest() async throws {
        let server = try ServerProgram(in: folder.url)
        let golden = try GoldenCase("llamafusion/cases/edit")
        let source = try Data(contentsOf: golden.folder.appending(path: "source.png"))
        let uri = "data:image/png;base64," + source.base64EncodedString()
        var body = try generation(golden)
        body["images"] = [uri]
        body["image_guidance_scale"] = try golden.number("image_guidance_scale")
        let reply = try await server.send("POST", "/v1/images/edits", body)
        #expect(reply.status == 200)
        let data = try #require(try server.json(reply.data)["data"] as? [[String: any Sendable]])
        try expectSame(try #require((data[0]["b64_json"] as? String).flatMap { Data(base64Encoded: $0) }), as: golden)

        let question: [String: any Sendable] = ["image": uri, "question": "What is in this image?", "max_tokens": 12]
        let answer = try await server.send("POST", "/v1/answers", question)
        #expect(answer.status == 200)
        #expect(try server.json(answer.data)["answer"] is String)
    }

    @Test func asynchronousJob_isPolledAndItsPictureFetched() async throws {
        let golden = try GoldenCase("llamafusion/cases/text_to_image")
        let server = try ServerProgram(in: folder.url)
        let reply = try await server.send(
            "POST",
            "/v1/images/generations",
            generation(golden),
            prefer: "respond-async"
        )
        #expect(reply.status == 202)
        let id = try #require(try server.json(reply.data)["id"] as? String)
        let job = try await server.finished(id)
        #expect(job["status"] as? String == "completed")
        let content = try await server.send("GET", "/v1/jobs/\(id)/content?index=0")
        #expect(content.status == 200)
        try expectSame(content.data, as: golden)
    }

    /// The point of keeping jobs on disk: an accepted job survives the process, however that ends.
    @Test(arguments: [SIGKILL, SIGTERM])
    func acceptedJob_runsOnAfterTheProcessEnded(signal: Int32) async throws {
        let golden = try GoldenCase("llamafusion/cases/text_to_image")
        let first = try ServerProgram(in: folder.url)
        var long = try generation(golden)
        long["num_inference_steps"] = 1000
        long["n"] = 8
        // The long one shares the engine, so that the other has not finished when the process ends.
        for body in [long, try generation(golden)] {
            let reply = try await first.send("POST", "/v1/images/generations", body, prefer: "respond-async")
            #expect(reply.status == 202)
        }
        let list = try first.json(await first.send("GET", "/v1/jobs").data)
        let ids = try #require(list["data"] as? [[String: any Sendable]]).compactMap { $0["id"] as? String }
        #expect(ids.count == 2)
        _ = first.ends(with: signal)

        let second = try ServerProgram(in: folder.url)
        // Newest first: the short job is the one whose picture the reference has.
        let job = try await second.finished(ids[0])
        #expect(job["status"] as? String == "completed")
        try expectSame(await second.send("GET", "/v1/jobs/\(ids[0])/content").data, as: golden)
        _ = try await second.send("POST", "/v1/jobs/\(ids[1])/cancel")
        let other = try #require(await second.finished(ids[1])["status"] as? String)
        #expect(["cancelled", "completed"].contains(other))
    }

    @Test func publicAddress_withoutKeysIsRefused() throws {
        let outcome = try CommandLineProgram.run(
            ["serve", "--host", "0.0.0.0", "--port", "0"],
            environment: ["TRIPTYCH_JOBS_PATH": folder.url.appending(path: "jobs.sqlite").path]
        )
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("allow_public_without_keys"))
    }
}
