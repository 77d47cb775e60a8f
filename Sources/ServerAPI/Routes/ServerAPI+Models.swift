import HTTPMessages
import HTTPTypes
import Serving
import StrictJSON

/// Models and the server's own state.
extension ServerAPI {
    /// `GET /v1/models`.
    func listModels(_ request: Request) throws -> Response {
        let models = jobs.registry.statuses().map(ModelRenderer.model)
        return Response(.ok, json: ["object": "list", "data": .array(models)])
    }

    /// `GET /v1/models/{name}`.
    func showModel(_ request: Request, _ name: String) throws -> Response {
        guard let status = jobs.registry.status(of: name) else { throw APIError.modelNotFound(name) }
        return Response(.ok, json: ModelRenderer.model(status))
    }

    /// `GET /readyz`: whether requests are accepted.
    func showReadiness() throws -> Response {
        guard jobs.isAccepting else {
            throw APIError.unavailable("not_ready", "The server is starting or stopping.", retryAfterSeconds: 1)
        }
        return Response(.ok, json: ["status": "ready"])
    }
}
