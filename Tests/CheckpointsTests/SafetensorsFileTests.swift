import Checkpoints
import Foundation
import GoldenData
import Tensors
import Testing

@Suite struct SafetensorsFileTests {
    private func open(_ data: Data) throws -> SafetensorsFile {
        try withTemporaryFolder { folder in
            let url = folder.appending(path: "model.safetensors")
            try data.write(to: url)
            return try SafetensorsFile(url)
        }
    }

    private func reason(_ data: Data) -> String {
        do {
            _ = try open(data)
            return "no error"
        } catch CheckpointError.malformedFile(_, let reason) {
            return reason
        } catch {
            return "another error: \(error)"
        }
    }

    private func reason(header: String, bytes: Int = 0) -> String {
        reason(SafetensorsWriter.file(header: header, data: Data(count: bytes)))
    }

    @Test func file_givesTensorsInHeaderOrder() throws {
        let file = try open(SafetensorsWriter.file([("b", [2, 2], [1, 2, 3, 4]), ("a", [1], [5])]))
        #expect(file.tensors.map(\.name) == ["b", "a"])
        #expect(file.tensors[0].shape == [2, 2])
        #expect(file.tensors[0].tensor().array == [1, 2, 3, 4])
        #expect(file.tensors[1].tensor().array == [5])
    }

    @Test(arguments: 0..<8)
    func file_readsDataAtAnyAlignment(padding: Int) throws {
        let header = #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"# + String(repeating: " ", count: padding)
        let values: [Float] = [1.5, -2]
        let file = try open(SafetensorsWriter.file(header: header, data: values.withUnsafeBytes { Data($0) }))
        #expect(file.tensors[0].tensor().array == values)
    }

    @Test func header_understandsMetadataAndEscapes() throws {
        let header =
            #" {"__metadata__" : {"format":"pt","k\n":"\u00e9\ud83d\ude00"}, "x\"y":{"shape":[],"dtype":"F32","data_offsets":[0,4]}} "#
        let file = try open(SafetensorsWriter.file(header: header, data: Data(count: 4)))
        #expect(file.metadata == ["format": "pt", "k\n": "é😀"])
        #expect(file.tensors.map(\.name) == ["x\"y"])
    }

    @Test func header_acceptsEmptyTensors() throws {
        let header =
            #"{"a":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#
        #expect(try open(SafetensorsWriter.file(header: header, data: Data(count: 1))).tensors.count == 2)
    }

    @Test func header_lengthIsChecked() {
        #expect(reason(Data([1, 2, 3])).contains("too short"))
        #expect(reason(Data([9, 0, 0, 0, 0, 0, 0, 0])).contains("longer than the file"))
        #expect(reason(Data(repeating: 0xFF, count: 16)).contains("beyond the format's limit"))
        #expect(reason(Data([1, 0xE1, 0xF5, 5, 0, 0, 0, 0])).contains("beyond the format's limit"))
        #expect(reason(Data(count: 8)).contains("expected \"{\""))
    }

    @Test func header_offsetsMustCoverTheData() {
        func tensors(_ first: String, _ second: String) -> String {
            #"{"a":{"dtype":"F32","shape":[2],"data_offsets":\#(first)},"b":{"dtype":"F32","shape":[2],"data_offsets":\#(second)}}"#
        }
        #expect(reason(header: tensors("[0,8]", "[8,16]"), bytes: 16) == "no error")
        #expect(reason(header: tensors("[8,16]", "[0,8]"), bytes: 16) == "no error")
        #expect(reason(header: tensors("[0,8]", "[4,12]"), bytes: 12).contains("overlaps"))
        #expect(reason(header: tensors("[0,8]", "[0,8]"), bytes: 8).contains("overlaps"))
        #expect(reason(header: tensors("[0,8]", "[12,20]"), bytes: 20).contains("unused bytes before"))
        #expect(reason(header: tensors("[4,12]", "[12,20]"), bytes: 20).contains("unused bytes before"))
        #expect(reason(header: tensors("[0,8]", "[8,16]"), bytes: 12).contains("beyond the file"))
        #expect(reason(header: tensors("[0,8]", "[8,16]"), bytes: 20).contains("after the last tensor"))
        #expect(reason(header: tensors("[0,8]", "[16,8]"), bytes: 16).contains("data_offsets"))
        #expect(reason(header: tensors("[0,8]", "[8,12]"), bytes: 12).contains("don't hold"))
        #expect(reason(header: tensors("[0,8]", "[8]"), bytes: 16).contains("data_offsets"))
    }

    @Test func header_overflowingShapesAreRefused() {
        func tensor(_ shape: String) -> String { #"{"a":{"dtype":"F32","shape":\#(shape),"data_offsets":[0,4]}}"# }
        #expect(reason(header: tensor("[4611686018427387904,4]"), bytes: 4).contains("overflows"))
        #expect(reason(header: tensor("[9223372036854775807]"), bytes: 4).contains("overflows"))
        #expect(reason(header: tensor("[9223372036854775808]"), bytes: 4).contains("number too large"))
        #expect(reason(header: tensor("[-1]"), bytes: 4).contains("expected an integer"))
        #expect(reason(header: tensor("[1.5]"), bytes: 4).contains("expected \"]\""))
        #expect(reason(header: tensor("[01]"), bytes: 4).contains("leading zero"))
    }

    @Test func header_duplicatesAreRefused() {
        let entry = #"{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#
        #expect(reason(header: #"{"a":\#(entry),"a":\#(entry)}"#, bytes: 1).contains("\"a\" appears twice"))
        #expect(reason(header: #"{"a":\#(entry),"\u0061":\#(entry)}"#, bytes: 1).contains("\"a\" appears twice"))
        #expect(reason(header: #"{"__metadata__":{},"__metadata__":{}}"#).contains("appears twice"))
        #expect(reason(header: #"{"__metadata__":{"k":"1","k":"2"}}"#).contains("appears twice"))
        #expect(
            reason(header: #"{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#).contains(
                "two fields"
            )
        )
    }

    @Test(arguments: [
        "", "[]", "{", "{}x", #"{"a"}"#, #"{"a":1}"#, #"{"a":{}}"#, #"{"a":{"dtype":"F32"}}"#,
        #"{"a":{"dtype":"F32","shape":[1]}}"#,
        #"{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,4]}}"#,
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}"#,
        #"{"__metadata__":{"a":1}}"#, #"{"a\x":1}"#, #"{"\ud800":1}"#, "{\"a\u{1}\":1}",
        #"{"a":{"dtype":"F32","shape":[1,],"data_offsets":[0,4]}}"#,
        #"{"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}}"#, #"{"unterminated"#, #"{"\u00"#, #"{"a\"#,
    ])
    func header_malformedTextIsAnError(header: String) {
        let reason = reason(header: header, bytes: 4)
        #expect(reason != "no error" && !reason.hasPrefix("another error"))
    }

    @Test func header_deepNestingIsAnError() {
        let header = String(repeating: "{\"a\":", count: 1_000_000)
        #expect(reason(header: header).contains("unknown field"))
    }

    @Test func header_invalidUTF8IsAnError() {
        var data = SafetensorsWriter.file(header: #"{"a?":1}"#)
        data[11] = 0xFF
        #expect(reason(data).contains("not UTF-8"))
    }

    /// Whatever a file holds, opening it gives tensors within the file or a typed error.
    @Test func damagedFiles_areErrorsOrHarmless() throws {
        let whole = SafetensorsWriter.file([("a", [2, 3], [1, 2, 3, 4, 5, 6]), ("b", [1], [7])])
        for length in 0..<whole.count { #expect(reason(whole.prefix(length)) != "no error") }
        var state: UInt64 = 1
        for _ in 0..<1000 {
            var damaged = whole
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                damaged[Int(state >> 33) % whole.count] = UInt8(truncatingIfNeeded: state >> 24)
            }
            #expect(!reason(damaged).hasPrefix("another error"))
        }
    }

    @Test func file_thatIsNoFileIsAnError() {
        #expect(throws: CheckpointError.self) { try SafetensorsFile(URL(filePath: "/nonexistent/model.safetensors")) }
        #expect(throws: CheckpointError.self) { try SafetensorsFile(URL(filePath: "/tmp")) }
        #expect(reason(Data()).contains("too short"))
    }
}
