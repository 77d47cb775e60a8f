package import Foundation
import FoundationNetworking

/// Sends requests and collects their replies. Redirects are replies like any other: whoever asks decides where to go next.
package struct HTTPClient: Sendable {
    /// One request.
    package struct Request: Sendable {
        package var method: String
        package var url: URL
        package var fields: [String: String]
        package var body: Data?

        package init(_ method: String, _ url: URL, fields: [String: String] = [:], body: Data? = nil) {
            self.method = method
            self.url = url
            self.fields = fields
            self.body = body
        }
    }

    /// What came back, whatever its status.
    package struct Reply: Sendable {
        package let status: Int
        package let body: Data
    }

    private let session: URLSession

    /// - Parameter silentSeconds: how long nothing may arrive before a request fails
    package init(silentSeconds: Double) {
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = silentSeconds
        configuration.httpShouldSetCookies = false
        configuration.urlCache = nil
        session = URLSession(configuration: configuration, delegate: RedirectRefusal(), delegateQueue: nil)
    }

    /// - Throws: `URLError` where no reply came.
    package func send(_ request: Request) async throws -> Reply {
        var message = URLRequest(url: request.url)
        message.httpMethod = request.method
        message.httpBody = request.body
        for (name, value) in request.fields { message.setValue(value, forHTTPHeaderField: name) }
        let (body, response) = try await session.data(for: message)
        guard let response = response as? HTTPURLResponse else { throw URLError(.badServerResponse) }
        return Reply(status: response.statusCode, body: body)
    }
}

/// Hands redirects back as they are.
private final class RedirectRefusal: NSObject, URLSessionTaskDelegate {
    func urlSession(
        _ session: URLSession,
        task: URLSessionTask,
        willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest,
        completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) {
        completionHandler(nil)
    }
}
