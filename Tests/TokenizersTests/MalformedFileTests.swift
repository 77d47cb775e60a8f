import Foundation
import Testing

@testable import Tokenizers

/// Whatever is wrong with a file is an error that names the place.
struct MalformedFileTests {
    private func failure(_ change: (inout SmallTokenizer) -> Void) -> TokenizerError? {
        var file = SmallTokenizer(merges: ["a b"])
        change(&file)
        return #expect(throws: TokenizerError.self) { try file.load() }
    }

    private func path(_ error: TokenizerError?) -> String? {
        switch error {
        case .invalid(_, let path, _), .unsupported(_, let path, _): path
        default: nil
        }
    }

    @Test
    func smallTokenizer_loads() throws {
        #expect(try SmallTokenizer(merges: ["a b"]).load().encode("ab") == [256])
    }

    @Test(arguments: [
        (#"{"a": -1}"#, #"model.vocab["a"]"#),
        (#"{"a": 0, "b": 0}"#, #"model.vocab["b"]"#),
        (#"{"a": 0, "a": 1}"#, #"model.vocab["a"]"#),
        (#"{"a": 16777216}"#, #"model.vocab["a"]"#),
        (#"{"a": 1e30}"#, #"model.vocab["a"]"#),
        (#"{"a": 99999999999999999999999}"#, #"model.vocab["a"]"#),
        (#"{"a": "0"}"#, #"model.vocab["a"]"#),
        ("[]", "model.vocab"), ("null", "model.vocab"),
    ])
    func vocabulary_isChecked(json: String, place: String) {
        #expect(path(failure { $0.vocabulary = json }) == place)
    }

    @Test(arguments: [
        (#"["a b", "a c"]"#, "model.merges[1]"), (#"["a"]"#, "model.merges[0]"), (#"["a b c"]"#, "model.merges[0]"),
        (#"[["a"]]"#, "model.merges[0]"), (#"[["a", 1]]"#, "model.merges[0]"), ("[7]", "model.merges[0]"),
        (#"[["a", "zz"]]"#, "model.merges[0]"), ("{}", "model.merges"), ("null", "model.merges"),
    ])
    func merges_areChecked(json: String, place: String) {
        #expect(path(failure { $0.merges = json }) == place)
    }

    @Test(arguments: [
        (#"[{"id": 300}]"#, "added_tokens[0].content"),
        (#"[{"content": "<x>"}]"#, "added_tokens[0].id"),
        (#"[{"id": 0, "content": "<x>"}]"#, "added_tokens[0].id"),
        (#"[{"id": 5, "content": "a"}]"#, "added_tokens[0].id"),
        (#"[{"id": 300, "content": ""}]"#, "added_tokens[0].content"),
        (#"[{"id": -5, "content": "<x>"}]"#, "added_tokens[0].id"),
        (#"[{"id": 300, "content": "<x>", "lstrip": 1}]"#, "added_tokens[0].lstrip"),
        (#"[{"id": 300, "content": "<x>"}, {"id": 300, "content": "<x>"}]"#, "added_tokens[1]"),
        ("3", "added_tokens"),
    ])
    func addedTokens_areChecked(json: String, place: String) {
        #expect(path(failure { $0.addedTokens = json }) == place)
    }

    @Test
    func unknownComponents_areNamed() {
        #expect(path(failure { $0.normalizer = #"{"type": "NFKC"}"# }) == "normalizer")
        #expect(path(failure { $0.normalizer = #"{"kind": "NFC"}"# }) == "normalizer.type")
        #expect(path(failure { $0.decoder = #"{"type": "WordPiece"}"# }) == "decoder")
        #expect(path(failure { $0.decoder = "null" }) == "decoder")
        #expect(path(failure { $0.preTokenizer = #"{"type": "Whitespace"}"# }) == "pre_tokenizer")
        #expect(
            path(failure { $0.preTokenizer = $0.preTokenizer.replacingOccurrences(of: "{1,3}", with: "{1,4}") })
                == "pre_tokenizer.pretokenizers[0].pattern.Regex"
        )
        #expect(path(failure { $0.postProcessor = #"{"type": "BertProcessing"}"# }) == "post_processor")
        #expect(path(failure { $0.modelOptions = #""dropout": 0.1,"# }) == "model.dropout")
        #expect(path(failure { $0.modelOptions = #""end_of_word_suffix": "</w>","# }) == "model.end_of_word_suffix")
    }

    @Test(arguments: [
        (#"[]"#, "post_processor.single"),
        (#"[{"Sequence": {"id": "B"}}]"#, "post_processor.single[0]"),
        (#"[{"Sequence": {"id": "A"}}, {"Sequence": {"id": "A"}}]"#, "post_processor.single"),
        (#"[{"SpecialToken": {"id": "y"}}]"#, "post_processor.special_tokens.y"),
        (#"[{"SpecialToken": {"id": "x"}}]"#, "post_processor.special_tokens.x.ids[0]"),
    ])
    func templates_areChecked(single: String, place: String) {
        let error = failure {
            $0.postProcessor = """
                {"type": "TemplateProcessing", "single": \(single), "special_tokens": {"x": {"ids": [9999999999]}}}
                """
        }
        #expect(path(error) == place)
    }

    @Test(arguments: [
        (#"{"added_tokens_decoder": {"x": {"content": "<x>"}}}"#, #"added_tokens_decoder["x"]"#),
        (#"{"added_tokens_decoder": {"1": {"content": "<x>"}}}"#, #"added_tokens_decoder["1"]"#),
        (#"{"clean_up_tokenization_spaces": "yes"}"#, "clean_up_tokenization_spaces"),
        (#"{"split_special_tokens": true}"#, "split_special_tokens"),
        (#"{"bos_token": 7}"#, "bos_token"),
    ])
    func configuration_isChecked(json: String, place: String) {
        let error = #expect(throws: TokenizerError.self) { try SmallTokenizer().load(configuration: json) }
        #expect(path(error) == place)
    }

    @Test
    func brokenFiles_areErrors() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "tokenizer.json")
        #expect(throws: TokenizerError.self) { try Tokenizer(contentsOf: file) }
        #expect(throws: TokenizerError.self) { try Tokenizer(contentsOf: folder) }

        let whole = Array(SmallTokenizer(merges: ["a b"]).json.utf8)
        for length in [0, 1, whole.count / 2, whole.count - 1] {
            try Data(whole.prefix(length)).write(to: file)
            #expect(throws: TokenizerError.self) { try Tokenizer(contentsOf: file) }
        }
        for json in ["null", "[]", "3", "{}", #"{"model": 1}"#, #"{"model": {}}"#] {
            try Data(json.utf8).write(to: file)
            #expect(throws: TokenizerError.self) { try Tokenizer(contentsOf: file) }
        }
        try Data(whole).write(to: file)
        #expect(try Tokenizer(contentsOf: file).vocabularySize == 257)
    }
}
