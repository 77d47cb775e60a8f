import Foundation
import GoldenData
import Testing
import Tokenizers

@testable import Pipelines

@Suite struct ReplyTextTests {
    private let tokenizer: Tokenizer

    init() throws {
        let folder = GoldenData.folder.appending(path: "llamafusion/checkpoint")
        tokenizer = try Tokenizer(contentsOf: folder.appending(path: "tokenizer.json"))
    }

    /// The deltas of a text that comes byte by byte, the last one from its end.
    private func deltas(_ text: String, stop: [String] = []) throws -> (deltas: [String], reply: ReplyText) {
        var reply = ReplyText(tokenizer, stop: StopStrings(stop))
        var deltas: [String] = []
        for byte in text.utf8 {
            deltas.append(reply.append(try #require(tokenizer.id(of: Self.spelling(of: byte)))))
            if reply.isStopped { return (deltas, reply) }
        }
        deltas.append(reply.finish())
        return (deltas, reply)
    }

    /// How byte-level BPE spells the token of one byte.
    private static func spelling(of byte: UInt8) -> String {
        func isPrintable(_ byte: UInt8) -> Bool { 0x21...0x7E ~= byte || byte >= 0xA1 && byte != 0xAD }
        let code = isPrintable(byte) ? Int(byte) : 0x100 + (0..<byte).count { !isPrintable($0) }
        return Unicode.Scalar(code).map { String($0) } ?? ""
    }

    @Test func deltas_areTheTextWithoutSpaceAroundIt() throws {
        for text in ["", "yes", "\n yes,  no \n", "  ", "a\n\nb"] {
            let (deltas, reply) = try deltas(text)
            #expect(reply.text == text.trimmingCharacters(in: .whitespacesAndNewlines))
            #expect(deltas.joined() == reply.text)
        }
    }

    @Test func halfACharacter_isHeldBack() throws {
        #expect(try deltas("é🎉x").deltas == ["", "é", "", "", "", "🎉", "x", ""])
        var reply = ReplyText(tokenizer, stop: StopStrings([]))
        #expect(reply.append(try #require(tokenizer.id(of: Self.spelling(of: 0xC3)))) == "")
        #expect(reply.finish() == "\u{FFFD}")
    }

    @Test func space_waitsForWhatFollows() throws {
        #expect(try deltas("a b ").deltas == ["a", "", " b", "", ""])
    }

    @Test func beginningOfAStop_isHeldBack() throws {
        let (deltas, reply) = try deltas("a EN END b", stop: ["END"])
        #expect(deltas == ["a", "", "", "", " EN", "", "", ""])
        #expect(reply.text == "a EN" && reply.isStopped)
        #expect(try self.deltas("a EN", stop: ["END"]).deltas.last == " EN")
    }

    @Test func spaceBeforeTheText_isNoStop() throws {
        let (deltas, reply) = try deltas("\nyes\nno", stop: ["\n"])
        #expect(deltas.joined() == "yes" && reply.text == "yes" && reply.isStopped)
    }
}
