import HTTPMessages
import Testing

@Suite struct ExpectationTests {
    private let head = request(field: "Expect: 100-Continue\r\nContent-Length: 5")

    @Test func continue_isAskedForBeforeTheBody() {
        var decoder = RequestDecoder(limits: HTTPLimits())
        decoder.append(Array(head.utf8))
        #expect(decoder.next() == .expectsContinue)
        #expect(decoder.next() == nil)
        decoder.append(Array("hello".utf8))
        guard case .request(let request) = decoder.next() else {
            Issue.record("no request")
            return
        }
        #expect(request.body == Array("hello".utf8))
    }

    @Test func continue_isNotSentToOneWhoDoesNotWait() {
        let events = decode(head + "hello")
        #expect(events.count == 1 && events.requests.count == 1)
        #expect(!decode(request(field: "Expect: 100-continue")).contains(.expectsContinue))
        let http10 = request(field: "Expect: 100-continue\r\nContent-Length: 1", version: "1.0")
        #expect(decode(http10).isEmpty)
    }

    @Test func expectation_unknownIsRefused() {
        #expect(decode(request(field: "Expect: 200-ok")).failures == ["417 expectation_failed"])
        // The client may or may not send its body after the refusal.
        #expect(decode(request(field: "Expect: a\r\nContent-Length: 5")).failures == ["417 expectation_failed!"])
        #expect(decode(request(field: "Expect: a", method: "GET", version: "1.0")).requests.count == 1)
    }

    @Test func bodyTooLarge_isRefusedInsteadOfContinued() {
        var limits = HTTPLimits()
        limits.body = 4
        #expect(decode(head, limits: limits).failures == ["413 content_too_large!"])
    }

    @Test func targetInvalid_isRefusedInsteadOfContinued() {
        let text = "POST /%zz HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        #expect(decode(text).failures == ["400 target_invalid!"])
    }
}
