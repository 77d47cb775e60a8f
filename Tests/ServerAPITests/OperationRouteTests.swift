import HTTPMessages
import HTTPTypes
import Pipelines
import ServerAPI
import Serving
import ServingFakes
import StrictJSON
import Testing

@Suite struct OperationRouteTests {
    @Test func models_areListedInTheirOrder() async throws {
        let client = try await TestClient(models: ["b": FakePipeline(), "a": FakePipeline(tasks: [.answer])])
        _ = try await client.post("/v1/answers", #"{"question": "q", "max_tokens": 2, "model": "a"}"#)
        let list = try await client.get("/v1/models").json
        #expect(list["object"] == "list")
        let models = try #require(list["data"]?.arrayValue)
        #expect(models.map { $0["id"] } == ["b", "a"])
        #expect(models[0]["state"] == "unloaded" && models[1]["state"] == "loaded")
        #expect(models[1]["family"] == "fake" && models[1]["tasks"] == ["answer"])
        #expect(models[1]["input_modalities"] == ["text", "image"])
        // What concerns pictures to draw means nothing where none are drawn.
        #expect(models[1]["defaults"] == JSONValue.null)
        #expect(models[1]["limits"]?["max_size"] == JSONValue.null && models[1]["limits"]?["max_images"] == 2)
        #expect(models[1]["memory"]?["weight_bytes"] == 1000)
        #expect(models[1]["seconds_per_step"]?["decode_token"]?.doubleValue != nil)
        #expect(try await client.get("/v1/models/a").json == models[1])
    }

    @Test func modelThatDraws_saysHowAndWhat() async throws {
        let client = try await TestClient()
        _ = try await client.post("/v1/answers", #"{"question": "q", "max_tokens": 2}"#)
        let models = try await client.get("/v1/models").json["data"]?.arrayValue
        let model = try #require(models?.first)
        #expect(model["defaults"]?["num_inference_steps"] == 4 && model["limits"]?["max_size"] == "64x64")
        #expect(model["limits"]?["size_multiple"] == 8 && model["limits"]?["context_length"] == 100)
    }

    @Test func unknownModel_isNotFound() async throws {
        let reply = try await TestClient().get("/v1/models/nope")
        #expect(reply.status == 404 && reply.code == "model_not_found")
    }

    @Test func health_isAlwaysGood() async throws {
        let client = try await TestClient()
        #expect(try await client.get("/healthz").status == 200)
        #expect(try await client.get("/readyz").status == 200)
        await client.server.jobs.shutdown(within: 1)
        #expect(try await client.get("/healthz").status == 200)
        let ready = try await client.get("/readyz")
        #expect(ready.status == 503 && ready.fields[.retryAfter] != nil)
        let refused = try await client.post("/v1/answers", #"{"question": "q"}"#)
        #expect(refused.status == 503 && refused.code == "server_stopping")
    }

    @Test(arguments: [
        (HTTPRequest.Method.get, "/v1/jobs/x/events"), (.get, "/metrics"), (.get, "/"),
        (.post, "/v1/models/x/load"),
    ])
    func whatIsNotBuiltYet_saysSo(_ method: HTTPRequest.Method, _ path: String) async throws {
        let reply = try await TestClient().send(method, path)
        #expect(reply.status == 400 && reply.code == "not_supported_yet")
        #expect(reply.error["message"]?.stringValue?.contains("not supported yet") == true)
    }

    @Test func unknownPathAndMethod_areErrorObjects() async throws {
        let client = try await TestClient()
        let path = try await client.get("/v2/models")
        #expect(path.status == 404 && path.error["type"] == "invalid_request_error")
        let method = try await client.send(.delete, "/v1/models")
        #expect(method.status == 405 && method.fields[.allow]?.contains("GET") == true)
        #expect(method.code == "method_not_allowed")
    }

    @Test func requestID_isTheClientsIfSane() async throws {
        let client = try await TestClient()
        let name = HTTPField.Name.xRequestID
        #expect(try await client.get("/healthz", fields: [name: "abc-1"]).fields[name] == "abc-1")
        let replaced = try await client.get("/healthz", fields: [name: "a b"]).fields[name]
        #expect(replaced != nil && replaced != "a b")
    }

    @Test func anyAuthorization_isAccepted() async throws {
        #expect(try await TestClient().get("/v1/models", fields: [.authorization: "Bearer sk-x"]).status == 200)
    }

    @Test func transportErrors_becomeErrorObjects() async throws {
        let response = ServerAPI.response(to: .requestTimeout)
        let json = try JSONValue(parsing: try await response.collectedBody(), rules: .requests)
        #expect(response.status.code == 408 && json["error"]?["code"] == "request_timeout")
        #expect(response.fields[.contentType] == "application/json")
    }
}
