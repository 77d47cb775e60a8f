import HTTPMessages
import Testing

/// SplitMix64 (Steele, Lea, Flood 2014): the same bytes for the same seed on every machine.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    mutating func mutate(_ bytes: inout [UInt8]) {
        let interesting = Array("\r\n\0 :;,=%\"0159afF-\t".utf8) + [0x7F, 0x80, 0xFF]
        for _ in 0...Int.random(in: 0..<4, using: &self) where !bytes.isEmpty {
            let index = Int.random(in: bytes.indices, using: &self)
            switch Int.random(in: 0..<5, using: &self) {
            case 0: bytes[index] = .random(in: 0...255, using: &self)
            case 1: bytes[index] = interesting.randomElement(using: &self) ?? 0
            case 2: bytes.insert(interesting.randomElement(using: &self) ?? 0, at: index)
            case 3: bytes.remove(at: index)
            default:
                let end = Int.random(in: index..<min(bytes.count, index + 40), using: &self)
                bytes.insert(contentsOf: bytes[index..<end], at: index)
            }
        }
    }

    /// Up to four places to cut `count` bytes.
    mutating func cuts(_ count: Int) -> [Int] {
        (0..<Int.random(in: 0..<4, using: &self)).map { _ in Int.random(in: 0...count, using: &self) }.sorted()
    }
}

@Suite struct FuzzTests {
    private static let seeds = [
        "POST /v1/answers?a=b%20c HTTP/1.1\r\nHost: a:80\r\nConnection: keep-alive\r\nContent-Length: 12\r\n\r\nhello, world",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0a\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
        "GET http://a:1/b HTTP/1.1\r\nHost: b\r\nExpect: 100-continue\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    ].map { Array($0.utf8) }

    @Test func decoder_mutatedInputStaysWithinLimitsAndDoesNotDependOnCuts() {
        var random = SeededGenerator(state: 2026)
        var limits = HTTPLimits()
        (limits.requestLine, limits.headerFields, limits.headerBytes, limits.body) = (64, 8, 160, 40)
        var outcomes: Set<String> = []
        for round in 0..<20_000 {
            var bytes = Self.seeds[round % Self.seeds.count] + Self.seeds[(round / 3) % Self.seeds.count]
            random.mutate(&bytes)
            let whole = decode(bytes, limits: limits, ends: true).filter { $0 != .expectsContinue }
            outcomes.formUnion(whole.failures.isEmpty ? ["request"] : whole.failures)
            for request in whole.requests {
                #expect(request.body.count <= limits.body)
                #expect(request.fields.count + request.trailers.count <= limits.headerFields)
                #expect(request.target.raw.utf8.count <= limits.requestLine)
            }
            var decoder = RequestDecoder(limits: limits)
            var pieces: [RequestDecoder.Event] = []
            var start = 0
            for end in random.cuts(bytes.count) + [bytes.count] {
                decoder.append(Array(bytes[start..<end]))
                while let event = decoder.next() { pieces.append(event) }
                // With nothing left to decode, what is held is one unfinished line and what was collected.
                #expect(decoder.retainedBytes <= 1026 + limits.headerBytes + limits.body)
                start = end
            }
            if let event = decoder.finish() { pieces.append(event) }
            #expect(pieces.filter { $0 != .expectsContinue } == whole, "round \(round)")
        }
        // The mutations reach most of the ways in which a request can be refused.
        #expect(outcomes.count >= 8, "\(outcomes)")
    }

    @Test func multipart_mutatedInputNeverTraps() {
        var random = SeededGenerator(state: 7)
        let form = Array(
            ("--b\r\nContent-Disposition: form-data; name=\"a\\\"b\"; filename=\"c%22.png\"\r\nContent-Type: image/png\r\n\r\n"
                + "\r\n--x\r\r\n--b\r\nContent-Disposition: form-data; name=q\r\n\r\nhello\r\n--b--\r\n").utf8
        )
        var accepted = 0
        for _ in 0..<20_000 {
            var bytes = form
            random.mutate(&bytes)
            guard let form = try? MultipartForm(bytes, boundary: "b") else { continue }
            accepted += 1
            #expect(form.parts.reduce(0) { $0 + $1.body.count } <= bytes.count)
        }
        #expect(accepted > 1000 && accepted < 19_000)
    }
}
