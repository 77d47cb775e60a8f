import Foundation
import HTTPTypes
import Pipelines
import ServerAPI
import ServingFakes
import StrictJSON
import Testing

@Suite struct ChatRouteTests {
    private let path = "/v1/chat/completions"

    /// A request of one message of the user.
    static func body(_ content: String, _ more: String = "") -> String {
        #"{"messages": [{"role": "user", "content": \#(content)}]\#(more.isEmpty ? "" : ", " + more)}"#
    }

    @Test func message_isAnswered() async throws {
        let reply = try await TestClient().post(path, Self.body(#""why not?""#))
        #expect(reply.status == 200)
        #expect(reply.json["object"] == "chat.completion")
        #expect(reply.json["model"] == "fake")
        #expect(reply.json["id"]?.stringValue == reply.fields[.jobID])
        let choice = try #require(reply.json["choices"]?.arrayValue?.first)
        #expect(choice["index"] == 0 && choice["finish_reason"] == "stop" && choice["logprobs"] == .null)
        #expect(choice["message"] == ["role": "assistant", "content": "You asked: why not?", "refusal": nil])
        #expect(reply.json["usage"] == ["prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5])
        #expect(reply.json["timings"]?["decode_token"]?.doubleValue != nil)
    }

    @Test func tokenLimit_isAMaximum() async throws {
        for name in ["max_tokens", "max_completion_tokens"] {
            let reply = try await TestClient().post(path, Self.body(#""why not?""#, "\"\(name)\": 2"))
            let choice = try #require(reply.json["choices"]?.arrayValue?.first)
            #expect(choice["message"]?["content"] == "You asked:" && choice["finish_reason"] == "length")
            #expect(reply.json["usage"]?["completion_tokens"] == 2)
        }
    }

    @Test func partsOfAMessage_areReadInOrder() async throws {
        let uri = TestClient.dataURI(try TestClient.png())
        let parts = """
            [{"type": "text", "text": "a "}, {"type": "image_url", "image_url": {"url": "\(uri)", "detail": "auto"}}, \
            {"type": "text", "text": "b"}, {"type": "image_url", "image_url": "\(uri)"}]
            """
        let client = try await TestClient()
        let reply = try await client.post(path, Self.body(parts, #""seed": 9"#))
        #expect(reply.json["choices"]?.arrayValue?.first?["message"]?["content"] == "You asked: a b")
        let job = try await client.finishedJob(try #require(reply.fields[.jobID]))
        let picture: JSONValue = ["type": "image_url", "image_url": ["width": 4, "height": 2]]
        #expect(
            job["request"]
                == [
                    "messages": [
                        [
                            "role": "user",
                            "content": [
                                ["type": "text", "text": "a "], picture, ["type": "text", "text": "b"], picture,
                            ],
                        ]
                    ], "seed": 9,
                ]
        )
        #expect(job["urls"]?["content"] == .null)
    }

    @Test func conversation_hasAllRolesAndNeutralFields() async throws {
        let body = """
            {"messages": [{"role": "system", "content": "be brief"}, {"role": "developer", "content": "be kind"},
              {"role": "user", "content": "hi"},
              {"role": "assistant", "content": "", "refusal": null, "annotations": [], "tool_calls": null},
              {"role": "user", "content": [{"type": "text", "text": "and now?"}]}],
             "logit_bias": {}, "frequency_penalty": 0, "presence_penalty": 0.0, "tools": [], "tool_choice": "auto",
             "response_format": {"type": "text"}, "store": false, "service_tier": "auto", "user": "u",
             "metadata": {"a": "b"}, "modalities": ["text"], "stop": null, "top_p": 1, "temperature": 2, "n": 1,
             "stream": false, "stream_options": null, "extra_body": {"top_k": 5, "guidance_scale": [3, 7.5]}}
            """
        let reply = try await TestClient().post(path, body)
        #expect(reply.status == 200, "\(reply.error)")
        #expect(reply.json["usage"]?["prompt_tokens"] == 5)
    }

    @Test func pictureInAReply_isAPartBetweenTexts() async throws {
        let client = try await TestClient()
        let reply = try await client.post(path, Self.body(#""please draw it""#, #""seed": 7"#))
        let content = try #require(reply.json["choices"]?.arrayValue?.first?["message"]?["content"]?.arrayValue)
        #expect(content.count == 3)
        #expect(content.first == ["type": "text", "text": "You asked: please draw"])
        #expect(content.last == ["type": "text", "text": " it"])
        let url = try #require(content[1]["image_url"]?["url"]?.stringValue)
        #expect(url.hasPrefix("data:image/png;base64,"))

        let id = try #require(reply.fields[.jobID])
        let file = try await client.get("/v1/jobs/\(id)/content?index=0")
        #expect(file.status == 200 && file.fields[.contentType] == "image/png")
        #expect(url.hasSuffix(Data(file.body).base64EncodedString()))
        #expect(try await client.get("/v1/jobs/\(id)/content?index=1").status == 404)
        let job = try await client.finishedJob(id)
        #expect(job["kind"] == "chat" && job["result"] == reply.json)
        #expect(job["urls"]?["content"]?.stringValue == "/v1/jobs/\(id)/content?index=0")

        // The message can be sent back as it came.
        let back = String(decoding: JSONValue.array(content).bytes, as: UTF8.self)
        let next = #"{"messages": [{"role": "assistant", "content": \#(back)}, {"role": "user", "content": "more"}]}"#
        #expect(try await client.post(path, next).status == 200)
    }

    @Test func pictureInAReply_hasTheFormatAskedFor() async throws {
        let reply = try await TestClient().post(path, Self.body(#""draw""#, #""output_format": "webp""#))
        let content = reply.json["choices"]?.arrayValue?.first?["message"]?["content"]?.arrayValue
        #expect(content?.last?["image_url"]?["url"]?.stringValue?.hasPrefix("data:image/webp;base64,") == true)
    }

    @Test func severalReplies_drawFromTheirOwnSeeds() async throws {
        let reply = try await TestClient().post(path, Self.body(#""draw""#, #""n": 3, "seed": 7"#))
        let choices = try #require(reply.json["choices"]?.arrayValue)
        #expect(choices.map { $0["index"]?.integerValue } == [0, 1, 2])
        let pictures = choices.map { $0["message"]?["content"]?.arrayValue?.last?["image_url"]?["url"]?.stringValue }
        #expect(Set(pictures).count == 3)
        #expect(reply.json["usage"]?["completion_tokens"] == 12)
        #expect(reply.json["usage"]?["prompt_tokens"] == 1)
    }

    @Test func logProbabilities_comeOnlyWhenAskedFor() async throws {
        let client = try await TestClient()
        let reply = try await client.post(path, Self.body(#""why""#, #""logprobs": true, "top_logprobs": 2"#))
        let scores = try #require(reply.json["choices"]?.arrayValue?.first?["logprobs"]?["content"]?.arrayValue)
        #expect(scores.map { $0["token"]?.stringValue } == ["You", " asked:", " why"])
        #expect(scores[0]["logprob"]?.doubleValue == -0.5 && scores[0]["bytes"] == [89, 111, 117])
        #expect(scores.map { $0["top_logprobs"]?.arrayValue?.count } == [2, 2, 2])
        let bare = try await client.post(path, Self.body(#""why""#, #""logprobs": true"#))
        let alone = try #require(bare.json["choices"]?.arrayValue?.first?["logprobs"]?["content"]?.arrayValue)
        #expect(alone.allSatisfy { $0["top_logprobs"] == [] })
    }

    // MARK: Manners of jobs

    @Test func asynchronousChat_hasItsResultInTheJob() async throws {
        let client = try await TestClient()
        for more in ["", #""stream": true"#] {
            let reply = try await client.post(path, Self.body(#""why""#, more), fields: [.prefer: "respond-async"])
            #expect(reply.status == 202 && reply.json["kind"] == "chat")
            let job = try await client.finishedJob(try #require(reply.fields[.jobID]))
            #expect(job["result"]?["object"] == "chat.completion")
        }
    }

    @Test func sameKey_hasTheSameReply() async throws {
        let client = try await TestClient()
        let key: HTTPFields = [.idempotencyKey: "k"]
        let first = try await client.post(path, Self.body(#""why""#), fields: key)
        #expect(try await client.post(path, Self.body(#""why""#), fields: key).json == first.json)
        #expect(try await client.post(path, Self.body(#""how""#), fields: key).status == 409)
    }

    @Test func deadlineAndFailure_areErrors() async throws {
        let client = try await TestClient()
        let failed = try await client.post(path, Self.body(#""fail""#))
        #expect(failed.status == 500 && failed.code == "run_failed")
        let refused = try await client.post(path, Self.body(#""refuse""#))
        #expect(refused.status == 400 && refused.param == "messages")
    }

    @Test func unknownModel_isNotFound() async throws {
        let reply = try await TestClient().post(path, Self.body(#""why""#, #""model": "other""#))
        #expect(reply.status == 404 && reply.code == "model_not_found" && reply.param == "model")
        let mute = FakePipeline(tasks: [.generate])
        let lacking = try await TestClient(models: ["mute": mute]).post(path, Self.body(#""a""#, #""model": "mute""#))
        #expect(lacking.status == 400 && lacking.code == "model_lacks_task")
    }

    // MARK: Malformed requests

    @Test(arguments: [
        (#"{}"#, "messages"), (#"{"messages": null}"#, "messages"), (#"{"messages": "hi"}"#, "messages"),
        (#"{"messages": []}"#, "messages"), (#"{"messages": ["hi"]}"#, "messages[0]"),
        (#"{"messages": [{"content": "hi"}]}"#, "messages[0].role"),
        (#"{"messages": [{"role": "user"}]}"#, "messages[0].content"),
        (#"{"messages": [{"role": "user", "content": null}]}"#, "messages[0].content"),
        (#"{"messages": [{"role": "user", "content": 1}]}"#, "messages[0].content"),
        (#"{"messages": [{"role": "tool", "content": "x"}]}"#, "messages[0].role"),
        (#"{"messages": [{"role": 1, "content": "x"}]}"#, "messages[0].role"),
        (#"{"messages": [{"role": "user", "content": "x", "nmae": "y"}]}"#, "messages[0].nmae"),
        (#"{"messages": [{"role": "user", "content": "x", "name": "y"}]}"#, "messages[0].name"),
        (#"{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}"#, "messages"),
        (#"{"messages": [{"role": "user", "content": ""}]}"#, "messages"),
        (#"{"messages": [{"role": "user", "content": []}]}"#, "messages"),
    ])
    func malformedMessages_areNamed(_ body: String, _ param: String) async throws {
        let reply = try await TestClient().post(path, body)
        #expect(reply.status == 400 && reply.param == param, "\(reply.error)")
    }

    @Test(arguments: [
        ("{}", "type"), (#"{"type": null}"#, "type"), (#"{"type": "video"}"#, "type"),
        (#"{"type": "text"}"#, "text"), (#"{"type": "text", "text": 1}"#, "text"),
        (#"{"type": "text", "text": "a", "more": 1}"#, "more"),
        (#"{"type": "image_url"}"#, "image_url"), (#"{"type": "image_url", "image_url": {}}"#, "image_url.url"),
        (#"{"type": "image_url", "image_url": "http://x/y.png"}"#, "image_url"),
        (#"{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}"#, ""),
        (#"{"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}"#, "image_url.url"),
        (#"{"type": "image_url", "image_url": {"url": "x", "detail": "high"}}"#, "image_url.detail"),
    ])
    func malformedParts_areNamed(_ part: String, _ member: String) async throws {
        let reply = try await TestClient().post(path, Self.body(#"[{"type": "text", "text": "a"}, \#(part)]"#))
        let place = "messages[0].content[1]" + (member.isEmpty ? "" : "." + member)
        #expect(reply.status == 400 && reply.param == place, "\(reply.error)")
    }

    @Test(arguments: [
        (#""max_tokens": 0"#, "max_tokens"), (#""max_completion_tokens": -1"#, "max_completion_tokens"),
        (#""max_tokens": 1, "max_completion_tokens": 2"#, "max_tokens"),
        (#""temperature": 2.1"#, "temperature"), (#""top_p": 0"#, "top_p"), (#""top_p": 1.01"#, "top_p"),
        (#""top_k": 0"#, "top_k"), (#""top_k": "all""#, "top_k"), (#""seed": -1"#, "seed"), (#""n": 0"#, "n"),
        (#""n": 9"#, "n"), (#""stop": ["a", "b", "c", "d", "e"]"#, "stop"), (#""stop": [1]"#, "stop"),
        (#""stop": """#, "stop"), (#""stop": 1"#, "stop"), (#""top_logprobs": 3"#, "top_logprobs"),
        (#""logprobs": true, "top_logprobs": 21"#, "top_logprobs"), (#""logprobs": 1"#, "logprobs"),
        (#""stream": "yes""#, "stream"), (#""stream_options": {"include_usage": true}"#, "stream_options"),
        (#""stream": true, "stream_options": {"include_usage": 1}"#, "stream_options.include_usage"),
        (#""stream": true, "stream_options": {"usage": true}"#, "stream_options.usage"),
        (#""stream": true, "stream_options": []"#, "stream_options"),
        (#""modalities": []"#, "modalities"), (#""modalities": ["audio"]"#, "modalities"),
        (#""modalities": ["text", "text"]"#, "modalities"), (#""modalities": "text""#, "modalities"),
        (#""guidance_scale": []"#, "guidance_scale"), (#""guidance_scale": [1, -1]"#, "guidance_scale"),
        (#""guidance_scale": [1, 2, 3, 4, 5]"#, "guidance_scale"),
        (#""num_inference_steps": 0"#, "num_inference_steps"),
        (#""frequency_penalty": 0.5"#, "frequency_penalty"), (#""tools": [{}]"#, "tools"),
        (#""logit_bias": {"5": 1}"#, "logit_bias"), (#""response_format": {"type": "json_object"}"#, "response_format"),
        (#""webhook_url": "http://x""#, "webhook_url"), (#""max_token": 1"#, "max_token"),
        (#""extra_body": {"top": 1}"#, "top"), (#""output_format": "gif""#, "output_format"),
    ])
    func invalidField_isNamed(_ field: String, _ param: String) async throws {
        let reply = try await TestClient().post(path, Self.body(#""why""#, field))
        #expect(reply.status == 400 && reply.param == param, "\(reply.error)")
    }

    @Test func pictures_shareOneBudget() async throws {
        let client = try await TestClient(maxPixels: 15)
        let picture = #"{"type": "image_url", "image_url": "\#(TestClient.dataURI(try TestClient.png()))"}"#
        #expect(try await client.post(path, Self.body("[\(picture)]")).status == 200)
        let reply = try await client.post(path, Self.body("[\(picture), \(picture)]"))
        #expect(reply.status == 400 && reply.code == "invalid_image" && reply.param == "messages[0].content[1]")
    }
}
