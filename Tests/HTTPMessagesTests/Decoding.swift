import HTTPMessages
import HTTPTypes

/// All events that `bytes` decode to when they arrive in pieces that end at `cuts`, and at the end of input.
func decode(
    _ bytes: [UInt8],
    limits: HTTPLimits = HTTPLimits(),
    cuts: [Int] = [],
    ends: Bool = false
) -> [RequestDecoder.Event] {
    var decoder = RequestDecoder(limits: limits)
    var events: [RequestDecoder.Event] = []
    var start = 0
    for end in cuts + [bytes.count] {
        decoder.append(Array(bytes[start..<end]))
        start = end
        while let event = decoder.next() { events.append(event) }
    }
    if ends, let event = decoder.finish() { events.append(event) }
    return events
}

func decode(_ text: String, limits: HTTPLimits = HTTPLimits(), ends: Bool = false) -> [RequestDecoder.Event] {
    decode(Array(text.utf8), limits: limits, ends: ends)
}

/// A request to `/` with one more field line.
func request(field line: String, body: String = "", method: String = "POST", version: String = "1.1") -> String {
    "\(method) / HTTP/\(version)\r\nHost: a\r\n\(line)\r\n\r\n\(body)"
}

extension [RequestDecoder.Event] {
    var requests: [Request] {
        compactMap { if case .request(let request) = $0 { request } else { nil } }
    }

    /// The codes of the failures, with an exclamation mark for those that end the connection.
    var failures: [String] {
        compactMap {
            guard case .failure(let error, let exchange) = $0 else { return nil }
            return "\(error.status.code) \(error.code)" + (exchange.keepsAlive ? "" : "!")
        }
    }
}
