import Testing

@testable import Tokenizers

struct JSONParserTests {
    private func parse(_ text: String) throws -> JSONValue {
        try JSONParser.parse(Array(text.utf8))
    }

    @Test
    func values_areParsed() throws {
        #expect(try parse(" [null, true, -12, 1.5e3] ") == .array([.null, .boolean(true), .integer(-12), .real(1500)]))
        #expect(try parse(#""a\n\u00e9\ud83d\ude42""#) == .string(Array("a\né🙂".utf8)[...]))
        #expect(try parse("1000000000000000019884624838656") == .real(1e30))
    }

    @Test
    func canonicallyEqualKeys_stayApart() throws {
        guard case .object(let members) = try parse("{\"\u{E9}\": 1, \"e\u{301}\": 2}") else {
            Issue.record("not an object")
            return
        }
        #expect(members.map(\.value) == [.integer(1), .integer(2)])
        #expect(members[0].key != members[1].key)
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\"}", "{\"a\":}", "{,}", "tru", "nul", "01", "1.", "-", "1e", "\"a", "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\n\"", "1 2", "+1", "\u{FEFF}1",
        String(repeating: "[", count: 100_000),
    ])
    func malformedText_isAnError(text: String) {
        #expect(throws: JSONParser.Failure.self) { try parse(text) }
    }

    @Test
    func invalidUTF8_isAnError() {
        #expect(throws: JSONParser.Failure.self) { try JSONParser.parse([0x22, 0xFF, 0x22]) }
    }
}
