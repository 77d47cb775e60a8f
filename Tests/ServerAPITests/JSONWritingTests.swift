import ServerAPI
import StrictJSON
import Testing

@Suite struct JSONWritingTests {
    @Test func values_areReadAndWritten() throws {
        let text = #"{"a":[1,-2.5e3,true,null,"x\n\u00e9\ud83d\ude00"],"b":{},"c":[]}"#
        let value = try JSONValue(parsing: Array((" " + text + "\n").utf8), rules: .requests)
        #expect(value["a"]?.arrayValue?[0].integerValue == 1)
        #expect(value["a"]?.arrayValue?[1].doubleValue == -2500)
        #expect(value["a"]?.arrayValue?[4].stringValue == "x\né😀")
        #expect(try JSONValue(parsing: value.bytes, rules: .requests) == value)
    }

    @Test func writing_escapesWhatMustBe() {
        #expect(String(decoding: JSONValue.string("\"\\\n\u{1}é").bytes, as: UTF8.self) == #""\"\\\n\u0001é""#)
    }

    @Test func manyValues_areAnError() {
        let list = "[" + String(repeating: "0,", count: 200_000) + "0]"
        #expect(throws: JSONError.self) { try JSONValue(parsing: Array(list.utf8), rules: .requests) }
    }
}
