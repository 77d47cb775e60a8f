package import HTTPTypes

/// Finds the handler of a request by its path and method.
///
/// A literal segment wins over a parameter. GET answers HEAD too (the encoder leaves the body out), every path answers
/// OPTIONS, a path with other methods answers 405 with `Allow`.
package struct Router: Sendable {
    package typealias Handler = @Sendable (Request, PathParameters) async -> Response

    /// What a request leads to.
    package enum Match: Sendable {
        case handler(Handler, PathParameters)
        /// OPTIONS; the methods of the path.
        case options(allow: String)
        case failure(HTTPStatusError)
    }

    private struct Route {
        let method: HTTPRequest.Method
        /// The names of the path's parameters, in the order of the path.
        let parameters: [String]
        let handler: Handler
    }

    /// The paths that share a beginning.
    private struct Node {
        var children: [String: Node] = [:]
        /// The child behind a parameter: none or one.
        var parameterChild: [Node] = []
        var routes: [Route] = []

        /// The routes of this node and all below it.
        var all: [Route] {
            (Array(children.values) + parameterChild).reduce(routes) { $0 + $1.all }
        }
    }

    private var root = Node()
    private let renderError: @Sendable (HTTPStatusError) -> Response

    /// - Parameter renderError: makes the response for a path or method that is not there.
    package init(renderError: @escaping @Sendable (HTTPStatusError) -> Response = \.plainResponse) {
        self.renderError = renderError
    }

    /// Adds a route.
    ///
    /// - Precondition: no route has the same method and the same path; see ``PathPattern`` for the path's form.
    package mutating func on(_ method: HTTPRequest.Method, _ pattern: String, _ handler: @escaping Handler) {
        let segments = PathPattern(pattern).segments
        let names = segments.compactMap { if case .parameter(let name) = $0 { name } else { nil } }
        Self.insert(Route(method: method, parameters: names, handler: handler), at: segments[...], in: &root)
    }

    /// The response of the matching handler, or the error's.
    package func respond(to request: Request) async -> Response {
        switch match(request.method, request.target) {
        case .handler(let handler, let parameters): await handler(request, parameters)
        case .options(let allow): Response(.noContent, fields: [.allow: allow])
        case .failure(let error): error.response(renderedBy: renderError)
        }
    }

    package func match(_ method: HTTPRequest.Method, _ target: RequestTarget) -> Match {
        // OPTIONS * asks for the server as a whole (RFC 9110, section 9.3.7).
        if target.raw == "*" { return .options(allow: Self.allow(root.all)) }
        var values: [String] = []
        guard let node = Self.find(target.segments[...], in: root, &values) else { return .failure(.notFound) }
        let route =
            node.routes.first { $0.method == method }
            ?? (method == .head ? node.routes.first { $0.method == .get } : nil)
        if let route {
            let named = Dictionary(uniqueKeysWithValues: zip(route.parameters, values))
            return .handler(route.handler, PathParameters(named))
        }
        let allow = Self.allow(node.routes)
        return method == .options ? .options(allow: allow) : .failure(.methodNotAllowed(method, allow: allow))
    }

    private static func insert(
        _ route: Route,
        at path: ArraySlice<PathPattern.Segment>,
        in node: inout Node
    ) {
        switch path.first {
        case nil:
            precondition(!node.routes.contains { $0.method == route.method }, "two routes with one method and path")
            node.routes.append(route)
        case .literal(let segment):
            insert(route, at: path.dropFirst(), in: &node.children[segment, default: Node()])
        case .parameter:
            if node.parameterChild.isEmpty { node.parameterChild.append(Node()) }
            insert(route, at: path.dropFirst(), in: &node.parameterChild[0])
        }
    }

    private static func find(_ path: ArraySlice<String>, in node: Node, _ values: inout [String]) -> Node? {
        guard let segment = path.first else { return node.routes.isEmpty ? nil : node }
        if let child = node.children[segment], let found = find(path.dropFirst(), in: child, &values) { return found }
        guard let child = node.parameterChild.first, !segment.isEmpty else { return nil }
        values.append(segment)
        if let found = find(path.dropFirst(), in: child, &values) { return found }
        values.removeLast()
        return nil
    }

    private static func allow(_ routes: [Route]) -> String {
        var methods = Set(routes.map(\.method.rawValue))
        if methods.contains("GET") { methods.insert("HEAD") }
        methods.insert("OPTIONS")
        return methods.sorted().joined(separator: ", ")
    }
}
