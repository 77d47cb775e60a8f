import ServerAPI
import Testing

@Suite struct JSONTests {
    private func parse(_ text: String) throws -> JSONValue { try JSONParser.parse(Array(text.utf8)) }

    @Test func values_areReadAndWritten() throws {
        let text = #"{"a":[1,-2.5e3,true,null,"x\n\u00e9\ud83d\ude00"],"b":{},"c":[]}"#
        let value = try parse(" " + text + "\n")
        #expect(value["a"]?.arrayValue?[0].integerValue == 1)
        #expect(value["a"]?.arrayValue?[1].doubleValue == -2500)
        #expect(value["a"]?.arrayValue?[4].stringValue == "x\né😀")
        #expect(try JSONParser.parse(value.bytes) == value)
    }

    @Test func writing_escapesWhatMustBe() {
        #expect(String(decoding: JSONValue.string("\"\\\n\u{1}é").bytes, as: UTF8.self) == #""\"\\\n\u0001é""#)
    }

    @Test func largeIntegers_keepTheirDigits() throws {
        #expect(try parse("9223372036854775807").integerValue == .max)
        #expect(try parse("9223372036854775808").integerValue == nil)
        #expect(try parse("2.0").integerValue == 2)
        #expect(try parse("2.5").integerValue == nil)
        #expect(try parse("1e999").doubleValue == nil)
    }

    @Test(arguments: [
        "", "{", "[1,]", "[1 2]", #"{"a":1,}"#, #"{"a" 1}"#, #"{a:1}"#, "01", "1.", ".5", "+1", "-", "1e", "NaN",
        "tru", "\"a", "\"\u{1}\"", #""\x""#, #""\ud800""#, #""\ud800\u0041""#, #""\udc00""#, "1 2", "'a'", "{}}",
        #"{"a":1,"a":2}"#, #""\u00g0""#,
    ])
    func malformedText_isAnError(_ text: String) {
        #expect(throws: JSONError.self) { try parse(text) }
    }

    @Test func invalidUTF8_isAnError() {
        #expect(throws: JSONError.self) { try JSONParser.parse([0x22, 0xC3, 0x28, 0x22]) }
    }

    @Test func deepNesting_isAnErrorAndNoCrash() {
        let bomb = [UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)
        #expect(throws: JSONError.self) { try JSONParser.parse(bomb) }
        let objects = String(repeating: #"{"a":"#, count: 100_000)
        #expect(throws: JSONError.self) { try parse(objects) }
    }

    @Test func manyValues_areAnError() {
        let list = "[" + String(repeating: "0,", count: 200_000) + "0]"
        #expect(throws: JSONError.self) { try parse(list) }
    }

    @Test func errors_nameTheirPlace() {
        #expect {
            try parse(#"{"a":tru}"#)
        } throws: { error in (error as? JSONError)?.position == 5 }
    }
}
