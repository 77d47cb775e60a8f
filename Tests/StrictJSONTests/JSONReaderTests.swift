import StrictJSON
import Testing

/// Wide enough for every sound document here.
private let rules = JSONRules(depthLimit: 64, valueLimit: 100_000)

private func parse(_ text: String, _ rules: JSONRules = rules) throws(JSONError) -> JSONValue {
    try JSONValue(parsing: Array(text.utf8), rules: rules)
}

private func error(_ text: String, _ rules: JSONRules = rules) -> JSONError? {
    #expect(throws: JSONError.self) { try parse(text, rules) }
}

@Suite struct JSONReaderTests {
    @Test func values_areRead() throws {
        #expect(try parse(" [null, true, false, -12, 1.5e3, {}] ") == [nil, true, false, -12, number("1.5e3"), [:]])
        #expect(try parse("{\"b\":[],\r\n\t\"a\":\"x\"}") == ["b": [], "a": "x"])
        #expect(try parse(#""a\n\"\\\/\b\f\r\t\u00e9\ud83d\ude42é""#) == "a\n\"\\/\u{8}\u{C}\r\té🙂é")
    }

    private func number(_ literal: String) throws -> JSONValue { .number(try #require(JSONNumber(literal))) }

    @Test func members_keepTheirOrder() throws {
        let object = try #require(try parse(#"{"b": 1, "a": 2, "c": 3}"#).object)
        #expect(object.members.map(\.key) == ["b", "a", "c"])
        #expect(object["a"] == 2)
        #expect(object["d"] == nil)
    }

    @Test func canonicallyEqualKeys_stayApart() throws {
        let object = try #require(try parse("{\"\u{E9}\": 1, \"e\u{301}\": 2}").object)
        #expect(object.members.map(\.value) == [1, 2])
        #expect(object.members[0].key != object.members[1].key)
        #expect(object["e\u{301}"] == 2)
    }

    @Test(arguments: [
        "", "{", "[1,]", "[1 2]", #"{"a"}"#, #"{"a":}"#, "{,}", #"{"a":1,}"#, #"{"a" 1}"#, #"{a:1}"#, "tru", "nul",
        "01", "-01", "1.", ".5", "+1", "-", "1e", "1e+", "0x1", "NaN", "Infinity", "-Infinity", "nan", "\"a", #""\x""#,
        #""\u12""#, #""\u00g0""#, #""\ud800""#, #""\ud800\u0041""#, #""\ud800\n""#, #""\udc00""#, "\"\n\"",
        "\"\u{1}\"", #""\"#, #""\u"#, #""a\n"#, "1 2", "'a'", "{}}", "[}", "{]", "\u{FEFF}1", "é", "\u{A0}1",
    ])
    func malformedText_isAnError(_ text: String) {
        #expect(error(text) != nil)
    }

    /// Continuation bytes alone and missing, an overlong form, a surrogate, and a scalar beyond the last.
    @Test(
        arguments: [
            [0xFF], [0x80], [0xC3, 0x28], [0xC3], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
            [0xC3, 0x5C, 0x6E, 0xA9],
        ] as [[UInt8]]
    )
    func invalidUTF8_isAnError(bytes: [UInt8]) {
        let error = #expect(throws: JSONError.self) {
            try JSONValue(parsing: Array("[\"a".utf8) + bytes + Array("\"]".utf8), rules: rules)
        }
        #expect(error?.offset == 3)
        #expect(error?.reason.contains("not UTF-8") == true)
    }

    @Test func duplicateKeys_areAnError() {
        #expect(error(#"{"a":1,"b":2,"a":1}"#)?.fault == .duplicateKey("a"))
        #expect(error(#"{"a":1,"\u0061":1}"#)?.fault == .duplicateKey("a"))
        #expect(error(#"{"a":1,"\u0061":1}"#)?.offset == 7)
        for count in [15, 16, 17, 18, 100] {
            let members = (0..<count).map { "\"\($0)\":0" }.joined(separator: ",")
            #expect(throws: Never.self) { try parse("{\(members)}") }
            #expect(error("{\(members),\"\(count - 1)\":0}")?.fault == .duplicateKey("\(count - 1)"))
            #expect(error("{\(members),\"0\":0}")?.fault == .duplicateKey("0"))
        }
    }

    @Test func depth_isLimited() throws {
        let three = JSONRules(depthLimit: 3, valueLimit: 100)
        #expect(try parse("[[[1]], {\"a\": {}}]", three) == [[[1]], ["a": [:]]])
        #expect(try parse("[[[]], [{}, {}], [[]], {}, []]", three) == [[[]], [[:], [:]], [[]], [:], []])
        #expect(error("[[[[]]]]", three)?.fault == .tooDeep(limit: 3))
        #expect(error(#"[[{"a":[]}]]"#, three)?.fault == .tooDeep(limit: 3))
        #expect(error(String(repeating: "[", count: 1_000_000))?.fault == .tooDeep(limit: 64))
        #expect(error(String(repeating: #"{"a":"#, count: 100_000))?.fault == .tooDeep(limit: 64))
    }

    @Test func values_areLimited() throws {
        let four = JSONRules(depthLimit: 3, valueLimit: 4)
        #expect(try parse("[1,[2]]", four) == [1, [2]])
        #expect(error("[1,[2,3]]", four)?.fault == .tooManyValues(limit: 4))
        #expect(error(#"{"a":1,"b":2,"c":3,"d":4}"#, four)?.fault == .tooManyValues(limit: 4))
    }

    @Test func marksInARow_areLimited() throws {
        let three = JSONRules(depthLimit: 3, valueLimit: 10, markLimit: 3)
        let (acute, below) = ("\u{301}", "\u{316}")
        let text = "a\(acute)\(below)\(acute)e\(acute)"
        #expect(try parse("[\"\(text)\"]", three) == [.string(JSONString(text))])
        #expect(error("[\"a\(acute)\(below)\(acute)\(below)\"]", three)?.fault == .tooManyMarks(limit: 3))
        #expect(error("[\"a\(acute)\(below)\(acute)\(below)\"]", three)?.offset == 1)
        #expect(error(#"["a\u0301\u0316\u0301\u0316"]"#, three)?.fault == .tooManyMarks(limit: 3))
        #expect(error("{\"a\(acute)\(below)\(acute)\(below)\": 1}", three)?.fault == .tooManyMarks(limit: 3))
        // A vowel sign that is no mark itself decomposes into two.
        #expect(error(#"["\u0F73\u0F73\u0F73\u0F73"]"#, three)?.fault == .tooManyMarks(limit: 3))
        #expect(throws: Never.self) { try parse("[\"a\(acute)\(below)\(acute)\(below)\"]") }
    }

    @Test func nonFiniteNumbers_needLeave() throws {
        let python = JSONRules(depthLimit: 2, valueLimit: 10, admitsNonFiniteNumbers: true)
        let values = try #require(try parse("[NaN, Infinity, -Infinity, 1]", python).arrayValue).map(\.doubleValue)
        #expect(values[0]?.isNaN == true)
        #expect(values[1...] == [.infinity, -.infinity, 1])
        for text in ["-NaN", "+Infinity", "Inf", "nan", "Na", "Infinity1"] { #expect(error(text, python) != nil) }
    }

    @Test func errors_nameTheirPlace() {
        #expect(error(#"{"a":tru}"#)?.offset == 5)
        #expect(error(#"{"a":tru}"#)?.path.description == "a")
        #expect(error("[]]")?.path.description == "$")
        #expect(error(#"{"model": {"vocab": {"Ġa": [1, 2, x]}}}"#)?.path.description == #"model.vocab["Ġa"][2]"#)
        #expect(error(#"[{"a": 1, "b": "\x"}]"#)?.path.description == "$[0].b")
        #expect(error(#"{"o": {"a": 1, "a": 2}}"#)?.description == #"key "a" appears twice at byte 15, in o"#)
    }

    @Test func knownForms_needNoTree() throws {
        var reader = JSONReader(Array(#" {"size": [1, 20], "name": "x"} "#.utf8), rules: rules)
        var (sizes, name) = ([Int](), "")
        try reader.object { (reader, key) throws(JSONError) in
            switch key.text {
            case "size": try reader.array { reader throws(JSONError) in sizes.append(try reader.naturalNumber()) }
            default: name = try reader.string().text
            }
        }
        try reader.end()
        #expect(sizes == [1, 20])
        #expect(name == "x")
    }

    @Test func refusals_haveAPlace() {
        var reader = JSONReader(Array(#"{"a": [1, 2]}"#.utf8), rules: rules)
        let error = #expect(throws: JSONError.self) {
            try reader.object { (reader, _) throws(JSONError) in
                try reader.array { reader throws(JSONError) in
                    guard try reader.naturalNumber() == 1 else { throw reader.refusal("not one") }
                }
            }
        }
        #expect(error?.fault == .refused("not one"))
        #expect(error?.path.description == "a[1]")
        #expect(error?.offset == 11)
    }

    @Test(arguments: ["-1", "1.5", "01", "9223372036854775808", "", "x", "\"1\""])
    func naturalNumbers_areDigitsAlone(text: String) {
        var reader = JSONReader(Array(text.utf8), rules: rules)
        #expect(throws: JSONError.self) {
            _ = try reader.naturalNumber()
            try reader.end()
        }
    }
}

extension JSONValue {
    fileprivate var object: JSONObject? { if case .object(let object) = self { object } else { nil } }
}
