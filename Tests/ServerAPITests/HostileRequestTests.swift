import Foundation
import HTTPTypes
import ServerAPI
import StrictJSON
import Testing

/// Requests that nobody sends by accident: whatever comes, the answer is an error object and never a crash.
@Suite struct HostileRequestTests {
    /// SplitMix64: the same mutations on every run.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
            return mixed ^ mixed >> 31
        }
    }

    private func mutated(_ bytes: [UInt8], _ generator: inout Generator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &generator) where !bytes.isEmpty {
            let index = Int.random(in: 0..<bytes.count, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: bytes[index] = .random(in: .min ... .max, using: &generator)
            case 1: bytes.remove(at: index)
            case 2: bytes.insert(.random(in: .min ... .max, using: &generator), at: index)
            default: bytes.removeSubrange(index..<min(index + 20, bytes.count))
            }
        }
        return bytes
    }

    @Test func mutatedJSON_isAnsweredOrRefused() async throws {
        let client = try await TestClient()
        let uri = TestClient.dataURI(try TestClient.png())
        let body = Array(
            """
            {"prompt": "a \\u00e9", "n": 1, "seed": 5, "size": "16x8", "guidance_scale": 1.5e0, "metadata": {"a": "b"},
             "num_inference_steps": 1, "images": ["\(uri)", {"image_url": {"url": "\(uri)", "detail": "auto"}}],
             "extra_body": {"negative_prompt": null}}
            """.utf8
        )
        var generator = Generator(state: 1)
        for _ in 0..<300 {
            let reply = try await client.send(
                .post,
                "/v1/images/generations",
                fields: [.contentType: "application/json"],
                body: mutated(body, &generator)
            )
            #expect([200, 400].contains(reply.status))
            #expect(reply.status == 200 || reply.code != nil)
        }
    }

    /// Normalising such a text, or comparing it with another, would take hours.
    @Test func heapsOfMarks_areRefused() async throws {
        let client = try await TestClient()
        let marks = String(repeating: "\u{301}", count: 100_000) + String(repeating: "\u{316}", count: 100_000)
        for body in [
            "{\"prompt\": \"a\(marks)\"}", "{\"\(marks)\": 1}", "{\"prompt\": \"a\", \"model\": \"\(marks)\"}",
        ] {
            let reply = try await client.post("/v1/images/generations", body)
            #expect(reply.status == 400 && reply.code == "invalid_json")
        }
        let form = Array("--XX\r\nContent-Disposition: form-data; name=\"question\"\r\n\r\n\(marks)\r\n--XX--\r\n".utf8)
        let reply = try await client.send(
            .post,
            "/v1/answers",
            fields: [.contentType: "multipart/form-data; boundary=XX"],
            body: form
        )
        #expect(reply.status == 400 && reply.param == "question")
    }

    @Test func mutatedForm_isAnsweredOrRefused() async throws {
        let client = try await TestClient()
        var body = Array("--XX\r\nContent-Disposition: form-data; name=\"question\"\r\n\r\nwhat?\r\n--XX\r\n".utf8)
        body += "Content-Disposition: form-data; name=\"max_tokens\"\r\n\r\n2\r\n--XX\r\n".utf8
        body += "Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n".utf8
        body += try TestClient.png()
        body += "\r\n--XX--\r\n".utf8
        var generator = Generator(state: 2)
        for _ in 0..<300 {
            let reply = try await client.send(
                .post,
                "/v1/answers",
                fields: [.contentType: "multipart/form-data; boundary=XX"],
                body: mutated(body, &generator)
            )
            #expect([200, 400].contains(reply.status))
            #expect(reply.status == 200 || reply.code != nil)
        }
    }

    @Test func absurdPreferences_areRefused() async throws {
        let client = try await TestClient()
        for value in ["wait=99999999999999999999", "wait=", "=", ",,,", "wait=1,wait=x"] {
            let reply = try await client.post("/v1/answers", #"{"question": "q"}"#, fields: [.prefer: value])
            #expect([200, 400].contains(reply.status), "\(value)")
        }
        for value in ["1e400s", "١٠s", "s", "0x10s", "99999999h"] {
            let reply = try await client.post("/v1/answers", #"{"question": "q"}"#, fields: [.cancelAfter: value])
            #expect(reply.status == 400, "\(value)")
        }
    }
}
