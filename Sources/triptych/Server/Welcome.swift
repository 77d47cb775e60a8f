import Foundation
import HTTPTransport
import Pipelines
import Settings

/// What a newcomer reads when the server is up: where it is, what it serves, what to try.
struct Welcome {
    let settings: Settings
    let address: SocketAddress

    func print() {
        Console.error("Triptych serves \(models) on \(place).")
        if let example { Console.error("Try, in another terminal:\n\n\(example)\n") }
    }

    private var models: String {
        let names = settings.models.map(\.name).joined(separator: ", ")
        return names.isEmpty ? "no models (the configuration names none)" : names
    }

    private var place: String {
        settings.server.unixSocket.map { "unix socket \($0.path)" } ?? "http://\(address)"
    }

    /// The shortest request to the end: ask for a picture, and save it.
    private var example: String? {
        guard settings.server.unixSocket == nil, !settings.models.isEmpty else { return nil }
        return """
              curl -s \(place)/v1/images/generations -H 'Content-Type: application/json' \\
                -d '{"prompt": "a large red circle at the center on a white background", "seed": 1}' \\
                | python3 -c 'import sys, json, base64; open("circle.png", "wb").write(base64.b64decode(json.load(sys.stdin)["data"][0]["b64_json"]))'
              curl -s \(place)/v1/answers -F image=@circle.png -F question='What color is the circle?'
            """
    }
}
