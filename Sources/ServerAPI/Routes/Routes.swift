import HTTPMessages
import HTTPTypes
import Serving
import StrictJSON

extension ServerAPI {
    /// Everything that can be asked for.
    static func routes(_ api: ServerAPI) -> [Route] {
        [
            Route(.post, "/v1/images/generations") { request, _ in try await api.generate(request, .generation) },
            Route(.post, "/v1/images/edits") { request, _ in try await api.generate(request, .edit) },
            Route(.post, "/v1/answers") { request, _ in try await api.answer(request) },
            Route(.post, "/v1/chat/completions") { request, _ in try await api.chat(request) },

            Route(.get, "/v1/jobs") { request, _ in try await api.listJobs(request) },
            Route(.get, "/v1/jobs/{id}") { try await api.showJob($0, $1["id"]) },
            Route(.delete, "/v1/jobs/{id}") { try await api.deleteJob($0, $1["id"]) },
            Route(.post, "/v1/jobs/{id}/cancel") { try await api.cancelJob($0, $1["id"]) },
            Route(.get, "/v1/jobs/{id}/content") { try await api.showContent($0, $1["id"]) },

            Route(.get, "/v1/models") { request, _ in try api.listModels(request) },
            Route(.get, "/v1/models/{name}") { try api.showModel($0, $1["name"]) },

            Route(.get, "/healthz") { _, _ in Response(.ok, json: ["status": "ok"]) },
            Route(.get, "/readyz") { _, _ in try api.showReadiness() },
            Route(.get, "/openapi.json") { _, _ in Response(.ok, json: OpenAPIDocument.json) },
        ] + notYet
    }

    /// What is part of the API but not built yet.
    static var notYet: [Route] {
        [
            Route(.get, "/v1/jobs/{id}/events") { _, _ in throw APIError.unsupported("A job's event stream") },
            Route(.post, "/v1/models/{name}/load") { _, _ in throw APIError.unsupported("Loading models by hand") },
            Route(.post, "/v1/models/{name}/unload") { _, _ in throw APIError.unsupported("Unloading models by hand") },
            Route(.get, "/metrics") { _, _ in throw APIError.unsupported("Metrics") },
            Route(.get, "/") { _, _ in throw APIError.unsupported("The studio page") },
        ]
    }
}
