import HTTPMessages
import HTTPTypes
import Testing

@Suite struct RouterTests {
    private let router: Router = {
        var router = Router()
        router.on(.get, "/v1/models") { _, _ in Response(.ok, text: "models") }
        router.on(.get, "/v1/models/{name}") { _, parameters in Response(.ok, text: "model \(parameters["name"])") }
        router.on(.get, "/v1/models/default") { _, _ in Response(.ok, text: "default") }
        router.on(.get, "/v1/jobs/{id}") { _, parameters in Response(.ok, text: "job \(parameters["id"])") }
        router.on(.delete, "/v1/jobs/{id}") { _, parameters in Response(.ok, text: "delete \(parameters["id"])") }
        router.on(.post, "/v1/{kind}/{name}/cancel") { _, parameters in
            Response(.ok, text: "cancel \(parameters["kind"]) \(parameters["name"])")
        }
        router.on(.get, "/") { _, _ in Response(.ok, text: "root") }
        return router
    }()

    private func answer(_ method: HTTPRequest.Method, _ target: String) async throws -> (Int, String, allow: String?) {
        let response = await router.respond(to: try Request(method, target))
        let body = String(decoding: try await response.collectedBody(), as: UTF8.self)
        return (response.status.code, body, response.fields[.allow])
    }

    @Test(arguments: [
        ("/", "root"), ("/v1/models", "models"), ("/v1/models?x=1", "models"), ("/v1/models/a", "model a"),
        ("/v1/models/Qwen%2FQwen2.5", "model Qwen/Qwen2.5"), ("/v1/models/default", "default"), ("/v1/jobs/7", "job 7"),
        ("http://h/v1/jobs/7", "job 7"), ("http://h", "root"),
    ])
    func path_findsItsHandler(target: String, body: String) async throws {
        let answer = try await answer(.get, target)
        #expect(answer.0 == 200 && answer.1 == body)
    }

    @Test func literal_thatLeadsNowhereFallsBackToAParameter() async throws {
        // /v1/models and /v1/jobs exist as literals, but only the parameters lead to cancel.
        #expect(try await answer(.post, "/v1/jobs/7/cancel").1 == "cancel jobs 7")
        #expect(try await answer(.post, "/v1/models/default/cancel").1 == "cancel models default")
    }

    @Test(arguments: ["/v1", "/v1/", "/v1/models/", "/v1/models/a/b", "/V1/models", "//", "/v1//models", "/v2/models"])
    func path_unknownIs404(target: String) async throws {
        #expect(try await answer(.get, target).0 == 404)
    }

    @Test func method_otherIs405WithAllow() async throws {
        let answer = try await answer(.post, "/v1/jobs/7")
        #expect(answer.0 == 405)
        #expect(answer.allow == "DELETE, GET, HEAD, OPTIONS")
        #expect(try await self.answer(.get, "/v1/jobs/7/cancel").allow == "OPTIONS, POST")
    }

    @Test func head_isAnsweredByGet() async throws {
        #expect(try await answer(.head, "/v1/models").0 == 200)
        #expect(try await answer(.head, "/v1/jobs/7/cancel").0 == 405)
    }

    @Test func options_listsTheMethods() async throws {
        let answer = try await answer(.options, "/v1/jobs/7")
        #expect(answer.0 == 204)
        #expect(answer.allow == "DELETE, GET, HEAD, OPTIONS")
        #expect(try await self.answer(.options, "*").allow == "DELETE, GET, HEAD, OPTIONS, POST")
        #expect(try await self.answer(.options, "/nowhere").0 == 404)
    }

    @Test func errors_areRenderedByTheOwner() async throws {
        let router = Router { error in Response(error.status, fields: error.fields, body: Array(error.code.utf8)) }
        let response = await router.respond(to: try Request(.get, "/"))
        #expect(response.status == .notFound)
        #expect(try await response.collectedBody() == Array("not_found".utf8))
        // What the protocol demands of a response is not up to who renders it.
        var other = Router { error in Response(error.status) }
        other.on(.get, "/") { _, _ in Response(.ok) }
        #expect(await other.respond(to: try Request(.post, "/")).fields[.allow] == "GET, HEAD, OPTIONS")
    }
}
