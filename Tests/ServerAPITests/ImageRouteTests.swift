import Foundation
import HTTPMessages
import HTTPTypes
import Images
import Pipelines
import Serving
import ServingFakes
import StrictJSON
import Testing

@testable import ServerAPI

@Suite struct ImageRouteTests {
    private let path = "/v1/images/generations"

    @Test func generation_returnsPicturesWithTheirSeeds() async throws {
        let client = try await TestClient()
        let reply = try await client.post(path, #"{"prompt": "a cat", "n": 2, "seed": 7, "size": "24x16"}"#)
        #expect(reply.status == 200)
        #expect(reply.fields[.contentType] == "application/json")
        #expect(reply.json["model"] == "fake")
        #expect(reply.json["created"]?.integerValue == 1_800_000_000)
        let data = try #require(reply.json["data"]?.arrayValue)
        #expect(data.map { $0["seed"]?.integerValue } == [7, 8])
        #expect(data[0]["width"] == 24 && data[0]["height"] == 16)
        let bytes = try #require(Data(base64Encoded: data[1]["b64_json"]?.stringValue ?? ""))
        let image = try ImageDecoder.decode(bytes, limits: ImageLimits(maxPixels: 1000, maxBytes: 10_000))
        #expect(image.width == 24 && image[x: 0, y: 0].red == 8)
        #expect(reply.json["usage"] == ["input_tokens": 5, "output_tokens": 4, "total_tokens": 9])
        #expect(reply.json["timings"]?["denoise"]?.doubleValue != nil)
        #expect(reply.json["timings"]?["total"]?.doubleValue != nil)
    }

    @Test func forcedPicture_saysSo() async throws {
        let client = try await TestClient()
        for (prompt, forced) in [("force", true), ("a", false)] {
            let reply = try await client.post(path, #"{"prompt": "\#(prompt)"}"#)
            let picture = try #require(reply.json["data"]?.arrayValue?.first)
            #expect((picture["forced"] == true) == forced)
        }
    }

    @Test func seed_isDrawnAndReturnedIfAbsent() async throws {
        let client = try await TestClient()
        let first = try await client.post(path, #"{"prompt": "a"}"#)
        let second = try await client.post(path, #"{"prompt": "a"}"#)
        let seeds = [first, second].map { $0.json["data"]?.arrayValue?.first?["seed"]?.integerValue }
        #expect(seeds[0] != nil && seeds[0] != seeds[1])
    }

    @Test(arguments: ["png", "jpeg", "webp"])
    func outputFormat_isWhatThePictureIs(_ format: String) async throws {
        let client = try await TestClient()
        let reply = try await client.post(
            path,
            #"{"prompt": "a", "output_format": "\#(format)", "response_format": "url"}"#,
            fields: [.hostField: "example.org:81"]
        )
        let url = try #require(reply.json["data"]?.arrayValue?.first?["url"]?.stringValue)
        #expect(url.hasPrefix("http://example.org:81/v1/jobs/job_"))
        let content = try await client.get(String(url.dropFirst("http://example.org:81".count)))
        #expect(content.status == 200)
        #expect(content.fields[.contentType] == "image/\(format)")
        let sniffed = content.body.withUnsafeBytes { ImageFormat(sniffing: $0) }
        #expect(sniffed?.rawValue == format)
    }

    @Test func largestSeed_isAccepted() async throws {
        let client = try await TestClient()
        let reply = try await client.post(path, #"{"prompt": "a", "seed": 9223372036854775807, "n": 2}"#)
        #expect(reply.status == 200)
        #expect(String(decoding: reply.body, as: UTF8.self).contains("9223372036854775808"))
    }

    @Test func emptyPrompt_isAcceptedWithPicturesOnly() async throws {
        let client = try await TestClient()
        let uri = TestClient.dataURI(try TestClient.png())
        #expect(try await client.post(path, #"{"prompt": "", "images": ["\#(uri)"]}"#).status == 200)
        let refused = try await client.post(path, #"{"prompt": ""}"#)
        #expect(refused.status == 400 && refused.param == "prompt")
    }

    @Test func extraBody_isReadAsTopLevel() async throws {
        let client = try await TestClient()
        let reply = try await client.post(
            path,
            #"{"prompt": "a", "extra_body": {"seed": 3, "num_inference_steps": 2}}"#
        )
        #expect(reply.json["data"]?.arrayValue?.first?["seed"] == 3)
        #expect(reply.json["usage"]?["output_tokens"] == 2)
        let twice = try await client.post(path, #"{"prompt": "a", "seed": 1, "extra_body": {"seed": 3}}"#)
        #expect(twice.status == 400 && twice.param == "seed")
    }

    @Test func neutralFields_areAccepted() async throws {
        let client = try await TestClient()
        let reply = try await client.post(
            path,
            """
            {"prompt": "a", "quality": "auto", "style": null, "background": "auto", "moderation": "auto",
             "stream": false, "partial_images": 0, "user": "u", "metadata": {"k": "v"}, "images": [], "size": "auto",
             "seed": null, "webhook_url": null, "output_compression": 100, "image_guidance_scale": 2}
            """
        )
        #expect(reply.status == 200)
    }

    /// What is wrong in the request, the status's `param`, and its code.
    @Test(arguments: [
        (#"{"prompt": 5}"#, "prompt", "invalid_type"),
        (#"{}"#, "prompt", "missing_required_parameter"),
        (#"{"prompt": null}"#, "prompt", "missing_required_parameter"),
        (#"{"prompt": "a", "n": 0}"#, "n", "invalid_value"),
        (#"{"prompt": "a", "n": 9}"#, "n", "invalid_value"),
        (#"{"prompt": "a", "n": "1"}"#, "n", "invalid_type"),
        (#"{"prompt": "a", "n": true}"#, "n", "invalid_type"),
        (#"{"prompt": "a", "n": 1.5}"#, "n", "invalid_type"),
        (#"{"prompt": "a", "seed": -1}"#, "seed", "invalid_value"),
        (#"{"prompt": "a", "seed": 9223372036854775808}"#, "seed", "invalid_value"),
        (#"{"prompt": "a", "num_inference_steps": 0}"#, "num_inference_steps", "invalid_value"),
        (#"{"prompt": "a", "num_inference_steps": 1001}"#, "num_inference_steps", "invalid_value"),
        (#"{"prompt": "a", "guidance_scale": -0.1}"#, "guidance_scale", "invalid_value"),
        (#"{"prompt": "a", "guidance_scale": 1e999}"#, "guidance_scale", "invalid_value"),
        (#"{"prompt": "a", "guidance_scale": "3"}"#, "guidance_scale", "invalid_type"),
        (#"{"prompt": "a", "image_guidance_scale": -1}"#, "image_guidance_scale", "invalid_value"),
        (
            #"{"prompt": "a", "output_compression": 101, "output_format": "jpeg"}"#, "output_compression",
            "invalid_value"
        ),
        (#"{"prompt": "a", "output_compression": -1, "output_format": "jpeg"}"#, "output_compression", "invalid_value"),
        (#"{"prompt": "a", "output_compression": 50}"#, "output_compression", "invalid_value"),
        (#"{"prompt": "a", "output_format": "gif"}"#, "output_format", "invalid_value"),
        (#"{"prompt": "a", "response_format": "b64"}"#, "response_format", "invalid_value"),
        (#"{"prompt": "a", "size": "512"}"#, "size", "invalid_value"),
        (#"{"prompt": "a", "size": "0x8"}"#, "size", "invalid_value"),
        (#"{"prompt": "a", "size": "-8x8"}"#, "size", "invalid_value"),
        (#"{"prompt": "a", "size": "8x8x8"}"#, "size", "invalid_value"),
        (#"{"prompt": "a", "size": "99999999999999999999x8"}"#, "size", "invalid_value"),
        (#"{"prompt": "refuse"}"#, "size", "invalid_value"),
        (#"{"prompt": "a", "images": "x"}"#, "images", "invalid_type"),
        (#"{"prompt": "a", "images": [5]}"#, "images[0]", "invalid_type"),
        (#"{"prompt": "a", "images": ["aGk="]}"#, "images[0]", "invalid_image"),
        (#"{"prompt": "a", "images": ["data:image/png;base64,????"]}"#, "images[0]", "invalid_image"),
        (#"{"prompt": "a", "images": ["data:image/png;base64,aGk="]}"#, "images[0]", "invalid_image"),
        (#"{"prompt": "a", "images": ["data:image/png,aGk="]}"#, "images[0]", "invalid_image"),
        (#"{"prompt": "a", "images": ["https://example.org/a.png"]}"#, "images[0]", "image_url_not_allowed"),
        (
            #"{"prompt": "a", "images": [{"image_url": {"href": "x"}}]}"#, "images[0].image_url.href",
            "unknown_parameter"
        ),
        (#"{"prompt": "a", "images": [{}]}"#, "images[0].image_url", "missing_required_parameter"),
        (#"{"prompt": "a", "stream": true}"#, "stream", "not_supported_yet"),
        (#"{"prompt": "a", "webhook_url": "http://x"}"#, "webhook_url", "not_supported_yet"),
        (#"{"prompt": "a", "partial_images": 4}"#, "partial_images", "invalid_value"),
        (#"{"prompt": "a", "partial_images": 1}"#, "partial_images", "invalid_value"),
        (#"{"prompt": "a", "quality": "hd"}"#, "quality", "unsupported_parameter"),
        (#"{"prompt": "a", "style": "vivid"}"#, "style", "unsupported_parameter"),
        (#"{"prompt": "a", "steps": 5}"#, "steps", "unknown_parameter"),
        (#"{"prompt": "a", "user": 5}"#, "user", "invalid_type"),
        (#"{"prompt": "a", "metadata": {"a": 5}}"#, "metadata.a", "invalid_type"),
        (
            "{\"prompt\": \"a\", \"metadata\": {\"\(String(repeating: "k", count: 65))\": \"\"}}", "metadata",
            "invalid_value"
        ),
        (
            "{\"prompt\": \"a\", \"metadata\": {\"k\": \"\(String(repeating: "v", count: 513))\"}}", "metadata",
            "invalid_value"
        ),
        ("{\"prompt\": \"a\", \"user\": \"\(String(repeating: "u", count: 513))\"}", "user", "invalid_value"),
        (#"{"prompt": "a", "extra_body": 5}"#, "extra_body", "invalid_type"),
        (#"{"prompt": "a", "model": 5}"#, "model", "invalid_type"),
    ])
    func invalidRequest_namesItsField(_ body: String, _ param: String, _ code: String) async throws {
        let reply = try await TestClient().post(path, body)
        #expect(reply.status == 400)
        #expect(reply.param == param)
        #expect(reply.code == code)
        #expect(reply.error["type"] == "invalid_request_error")
        #expect(reply.error["message"]?.stringValue?.isEmpty == false)
    }

    @Test func unknownFields_areAllNamed() async throws {
        let reply = try await TestClient().post(path, #"{"promt": "a", "sed": 1}"#)
        #expect(reply.status == 400)
        let message = try #require(reply.error["message"]?.stringValue)
        #expect(message.contains("'promt'") && message.contains("'sed'"))
    }

    @Test(arguments: ["", "{", "[]", "null", #"{"prompt": "a", "prompt": "b"}"#])
    func malformedBody_isRefused(_ body: String) async throws {
        let reply = try await TestClient().post(path, body)
        #expect(reply.status == 400 && reply.code == "invalid_json")
    }

    @Test func otherMediaTypes_areRefused() async throws {
        let client = try await TestClient()
        let text = try await client.send(.post, path, fields: [.contentType: "text/plain"], body: Array("{}".utf8))
        #expect(text.status == 415 && text.code == "unsupported_media_type")
        #expect(try await client.postForm(path, texts: ["prompt": "a"]).status == 415)
        let untyped = try await client.send(.post, path, body: Array(#"{"prompt": "a"}"#.utf8))
        #expect(untyped.status == 200)
    }

    @Test func modelErrors_haveTheirStatus() async throws {
        let client = try await TestClient(models: ["text": FakePipeline(tasks: [.answer])])
        let unknown = try await client.post(path, #"{"prompt": "a", "model": "nope"}"#)
        #expect(unknown.status == 404 && unknown.code == "model_not_found" && unknown.param == "model")
        let wrong = try await client.post(path, #"{"prompt": "a", "model": "text"}"#)
        #expect(wrong.status == 400 && wrong.param == "model")
        let none = try await client.post(path, #"{"prompt": "a"}"#)
        #expect(none.status == 404 && none.code == "model_not_found")
    }

    @Test func failingRun_isAnErrorOf500() async throws {
        let reply = try await TestClient().post(path, #"{"prompt": "fail"}"#)
        #expect(reply.status == 500 && reply.code == "run_failed")
        #expect(reply.error["type"] == "server_error")
    }

    // MARK: Edits

    @Test func edit_takesAForm() async throws {
        let client = try await TestClient()
        let png = try TestClient.png()
        let reply = try await client.postForm(
            "/v1/images/edits",
            texts: ["prompt": "make it blue", "n": "2", "seed": "4", "guidance_scale": "2.5"],
            files: ["image": png]
        )
        #expect(reply.status == 200)
        #expect(reply.json["data"]?.arrayValue?.map { $0["seed"]?.integerValue } == [4, 5])
        let several = try await client.postForm(
            "/v1/images/edits",
            texts: ["prompt": ""],
            files: ["image[]": png, "image[]": png]
        )
        #expect(several.status == 200)
    }

    @Test func edit_takesJSON() async throws {
        let uri = TestClient.dataURI(try TestClient.png())
        let body = #"{"prompt": "x", "images": [{"image_url": {"url": "\#(uri)"}}], "mask": null}"#
        #expect(try await TestClient().post("/v1/images/edits", body).status == 200)
    }

    @Test func edit_withoutPicturesIsRefused() async throws {
        let reply = try await TestClient().post("/v1/images/edits", #"{"prompt": "x"}"#)
        #expect(reply.status == 400 && reply.param == "image")
    }

    @Test func form_isReadAsStrictlyAsJSON() async throws {
        let client = try await TestClient()
        let png = try TestClient.png()
        for (name, value) in [("n", "9"), ("n", "one"), ("seed", "0x10"), ("guidance_scale", "nan"), ("promt", "x")] {
            let reply = try await client.postForm(
                "/v1/images/edits",
                texts: ["prompt": "x", name: value],
                files: ["image": png]
            )
            #expect(reply.status == 400 && reply.param == name, "\(name)=\(value)")
        }
        let twice = try await client.postForm(
            "/v1/images/edits",
            texts: ["prompt": "x", "prompt": "y"],
            files: ["image": png]
        )
        #expect(twice.status == 400 && twice.param == "prompt")
        let mask = try await client.postForm(
            "/v1/images/edits",
            texts: ["prompt": "x"],
            files: ["image": png, "mask": png]
        )
        #expect(mask.status == 400 && mask.param == "mask")
        let broken = try await client.postForm("/v1/images/edits", texts: ["prompt": "x"], files: ["image": Data([1])])
        #expect(broken.status == 400 && broken.code == "invalid_image")
    }

    @Test func pictureBeyondTheLimit_isRefused() async throws {
        let client = try await TestClient(maxPixels: 100)
        let (small, large) = (try TestClient.png(width: 10, height: 6), try TestClient.png(width: 11, height: 10))
        let one = try await client.postForm("/v1/images/edits", texts: ["prompt": "x"], files: ["image": large])
        #expect(one.status == 400 && one.code == "invalid_image")
        let both = try await client.postForm(
            "/v1/images/edits",
            texts: ["prompt": "x"],
            files: ["image": small, "image": small]
        )
        #expect(both.status == 400)
    }
}
