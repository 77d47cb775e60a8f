import Foundation
import GoldenData
import Images
import Networks
import Tensors
import Testing
import Tokenizers

@testable import Pipelines

@Suite struct MetaMorphPromptTests {
    @Test func conversation_isWrittenTurnByTurn() throws {
        let model = try GoldenMetaMorph.model()
        let picture = PixelImage(width: 4, height: 4, color: .white)
        let turns = [
            ChatTurn(.system, "Be brief."), ChatTurn(.user, "Draw <|eot_id|>"),
            ChatTurn(.assistant, [.text("Here"), .picture(picture), .text("it is")]), ChatTurn(.user, "More"),
        ]
        let prompt = try model.prompt(of: turns, field: "messages")
        let expected = [
            "<|begin_of_text|><|begin_of_text|><|start_header_id|>system<|end_header_id|>\nBe brief.<|eot_id|>",
            "<|start_header_id|>user<|end_header_id|>\nDraw <|eot_id|><|eot_id|>",
            "<|start_header_id|>assistant<|end_header_id|>\nHere<image_start><image_end>it is<|eot_id|>",
            "<|start_header_id|>user<|end_header_id|>\nMore<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n",
        ]
        let ids = prompt.ids
        #expect(model.tokenizer.decode(ids.filter { $0 >= 0 }, skipSpecialTokens: false) == expected.joined())
        #expect(prompt.images == [picture] && ids.count { $0 == -200 } == 1)
        // The user's own is text.
        #expect(ids.count { $0 == 648 } == 4)
    }

    @Test func pictures_standAtTheirPlaceholders() throws {
        let model = try GoldenMetaMorph.model()
        let pictures = (1...3).map { PixelImage(width: $0, height: 4, color: .white) }
        func places(_ text: String, _ images: [PixelImage]) throws -> String {
            let ids = try model.prompt(of: [ChatTurn(.user, text, images: images)], field: "messages").ids
            let text = ids.map { $0 < 0 ? "*" : model.tokenizer.decode([$0], skipSpecialTokens: true) }.joined()
            return text.replacing("user\n", with: "").replacing("assistant\n", with: "")
        }
        let mark = ChatTurn.placeholder
        #expect(try places("a\(mark)b", pictures) == "a***b")
        #expect(try places("a\(mark)b\(mark)c\(mark)", pictures) == "a*b*c*")
        #expect(try places("ab", pictures) == "***\nab")
        #expect(try places("", [pictures[0]]) == "*\n")
        #expect(throws: PipelineError.self) { try places("a\(mark)b\(mark)c", pictures) }
    }

    @Test func longPrompt_isReadInPassesOfOneLength() throws {
        var sequence = VisualSequence()
        sequence.append(Array(0..<200))
        sequence.append(source: 0, tokens: 64)
        sequence.append([1])
        #expect(sequence.count == 265)
        #expect(
            sequence.passes == [
                [.tokens(Array(0..<200)), .source(0, 0..<56)], [.source(0, 56..<64), .tokens([1])],
            ]
        )
        sequence.appendPass(.drawn(0, token: 0))
        #expect(sequence.passes.count == 3)

        let model = try GoldenMetaMorph.model()
        let golden = try GoldenMetaMorph.golden("two_frames")
        var turn = try golden.turn()
        let text = String(repeating: "What is in this picture? ", count: 60)
        turn.parts = turn.parts.dropLast() + [.text(text)]
        let prompt = try model.prompt(of: [turn], field: "messages")
        #expect(prompt.sequence.passes.count > 2)
        var decoding = VisualDecoding(
            model,
            prompt,
            VisualDecoding.Rules(sampling: .greedy, seed: 0, maxTokens: 4)
        )
        while decoding.stage == .encodeImage { decoding.advance() }
        var reader = decoding.reader
        var last: Tensor?
        while !reader.isFinished { last = reader.readPass(model, sources: decoding.state.sources, drawn: []) }
        let rows = prompt.sequence.passes.map { model.rows(of: $0, sources: decoding.state.sources, drawn: []) }
        var caches = [model.config.text.cache()]
        let whole = model.network.text(.concatenated(rows, axis: 1), caches: &caches)
        let normalized = model.network.text.normalized(whole).array.suffix(96)
        #expect(try #require(last).array == Array(normalized))
    }

    @Test func promptBeyondTheModelsLength_isRefusedByName() throws {
        let model = try GoldenMetaMorph.model()
        let picture = PixelImage(width: 4, height: 4, color: .white)
        for turn in [
            ChatTurn(.user, String(repeating: "a b c ", count: 2000)),
            ChatTurn(.user, "", images: Array(repeating: picture, count: 63)),
        ] {
            let error = #expect(throws: PipelineError.self) { try model.prompt(of: [turn], field: "question") }
            guard case .invalidRequest("question", let reason) = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(reason.contains("4096"))
        }
    }
}
