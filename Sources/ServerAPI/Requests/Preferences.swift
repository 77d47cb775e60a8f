import HTTPMessages
import HTTPTypes
import StrictJSON

/// How a client wants to wait: the request's `Prefer`, `Cancel-After` and `Idempotency-Key`.
struct Preferences: Equatable {
    /// Seconds until the job itself is the answer; 0 for at once, nil for never.
    var waitSeconds: Double?
    var cancelAfterSeconds: Double?
    var idempotencyKey: String?

    /// The longest time that can be asked for: a day.
    private static let mostSeconds = 86_400.0

    /// - Throws: `APIError` 400 naming the field that can't be understood. Preferences that are not known here are
    ///   ignored, as RFC 7240 asks.
    init(_ fields: HTTPFields) throws(APIError) {
        let preferences = fields[values: .prefer].flatMap { $0.split(separator: ",") }.map(Self.trimmed)
        var answersAtOnce = false
        for preference in preferences {
            let parts = preference.split(separator: "=", maxSplits: 1).map(Self.trimmed)
            switch (parts.first?.lowercased(), parts.count) {
            case ("respond-async", 1): answersAtOnce = true
            case ("wait", 2):
                guard let seconds = Double(parts[1]), seconds.rounded() == seconds, 0...Self.mostSeconds ~= seconds,
                    parts[1].isDigits
                else { throw .invalid("Prefer", "'wait' in Prefer must be whole seconds up to a day.") }
                waitSeconds = seconds
            case ("wait", _): throw .invalid("Prefer", "'wait' in Prefer needs its seconds, as in wait=10.")
            default: break
            }
        }
        if answersAtOnce, waitSeconds == nil { waitSeconds = 0 }
        cancelAfterSeconds = try fields[.cancelAfter].map(Self.duration)
        idempotencyKey = try fields[.idempotencyKey].map(Self.key)
    }

    /// `90s`, `15m`, `2h` or plain seconds.
    private static func duration(_ text: String) throws(APIError) -> Double {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600]
        let unit = text.last.flatMap { units[$0] }
        let digits = unit == nil ? text[...] : text.dropLast()
        guard let number = JSONNumber(String(digits)), let value = number.double, value > 0,
            value * (unit ?? 1) <= mostSeconds
        else { throw .invalid("Cancel-After", "Cancel-After must be a time up to a day, such as 90s, 15m or 2h.") }
        return value * (unit ?? 1)
    }

    private static func key(_ text: String) throws(APIError) -> String {
        guard 1...255 ~= text.utf8.count, text.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else {
            throw .invalid("Idempotency-Key", "Idempotency-Key must be 1 to 255 visible ASCII characters.")
        }
        return text
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}

extension HTTPField.Name {
    static let prefer = Self("Prefer")!
    static let preferenceApplied = Self("Preference-Applied")!
    static let cancelAfter = Self("Cancel-After")!
    static let idempotencyKey = Self("Idempotency-Key")!
    static let jobID = Self("X-Job-Id")!
    static let forwardedProtocol = Self("X-Forwarded-Proto")!
}
