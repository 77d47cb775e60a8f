import Foundation
import HTTPTypes
import ServerAPI
import ServingFakes
import StrictJSON
import Testing

@Suite struct AnswerRouteTests {
    private let path = "/v1/answers"

    @Test func question_isAnswered() async throws {
        let reply = try await TestClient().post(path, #"{"question": "why?", "max_tokens": 3}"#)
        #expect(reply.status == 200)
        #expect(reply.json["answer"] == "You asked: why?")
        #expect(reply.json["model"] == "fake")
        #expect(reply.json["id"]?.stringValue == reply.fields[.jobID])
        #expect(reply.json["usage"]?["output_tokens"] == 3)
        #expect(reply.json["timings"]?["decode_token"]?.doubleValue != nil)
    }

    @Test func picture_comesAsFileOrURI() async throws {
        let client = try await TestClient()
        let png = try TestClient.png()
        let form = try await client.postForm(path, texts: ["question": "what?"], files: ["image": png])
        #expect(form.json["answer"] == "You asked: what?")
        let uri = TestClient.dataURI(png)
        let text = try await client.postForm(path, texts: ["question": "", "image": uri])
        #expect(text.status == 200)
        for body in [
            #"{"question": "", "image": "\#(uri)"}"#, #"{"question": "q", "images": [{"image_url": "\#(uri)"}]}"#,
        ] {
            #expect(try await client.post(path, body).status == 200)
        }
    }

    @Test(arguments: [
        (#"{}"#, "question"), (#"{"question": ""}"#, "question"),
        (#"{"question": "q", "max_tokens": 0}"#, "max_tokens"),
        (#"{"question": "q", "max_tokens": 1.5}"#, "max_tokens"),
        (#"{"question": "q", "temperature": -1}"#, "temperature"),
        (#"{"question": "q", "temperature": 2.5}"#, "temperature"),
        (#"{"question": "q", "temperature": true}"#, "temperature"), (#"{"question": "q", "seed": 1e30}"#, "seed"),
        (#"{"question": "q", "stream": true}"#, "stream"), (#"{"question": "q", "prompt": "p"}"#, "prompt"),
    ])
    func invalidRequest_namesItsField(_ body: String, _ param: String) async throws {
        let reply = try await TestClient().post(path, body)
        #expect(reply.status == 400 && reply.param == param)
    }
}
