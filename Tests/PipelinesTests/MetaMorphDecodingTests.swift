import Foundation
import GoldenData
import Images
import Networks
import Tensors
import Testing
import Tokenizers

@testable import Pipelines

/// Every step of the reference's decoder, at the tolerances of the golden data.
@Suite struct MetaMorphDecodingTests {
    private static let cases = GoldenMetaMorph.reading + GoldenMetaMorph.drawing

    private func decoding(_ model: MetaMorphModel, _ golden: GoldenCase) throws -> VisualDecoding {
        let prompt = try model.prompt(of: [golden.turn()], field: "messages")
        return VisualDecoding(model, prompt, greedy(try golden.tokenLimit()))
    }

    private func greedy(_ maxTokens: Int) -> VisualDecoding.Rules {
        VisualDecoding.Rules(sampling: .greedy, seed: 0, maxTokens: maxTokens)
    }

    @Test(arguments: cases)
    func everyStep_equalsTheReference(name: String) throws {
        let golden = try GoldenMetaMorph.golden(name)
        let model = try GoldenMetaMorph.model(golden.checkpoint())
        var decoding = try decoding(model, golden)
        #expect(decoding.prompt.ids == (try golden.integers("input_ids")))

        while decoding.stage == .encodeImage { decoding.advance() }
        if golden.contains("vision_features") {
            let features = decoding.state.sources.flatMap(\.values)
            #expect(deviation(features, from: try golden.tensor("vision_features").array) < 5e-5)
        }
        let rows = decoding.prompt.sequence.passes.map {
            model.rows(of: $0, sources: decoding.state.sources, drawn: [])
        }
        let inputs = try golden.tensor("inputs_embeds")
        #expect(deviation(Tensor.concatenated(rows, axis: 1), from: inputs) < 5e-5)
        #expect(decoding.usage.inputTokens == inputs.shape[0])

        // The reference's own visual tokens are read again, not ours: over 31 of them rounding grows so much that the
        // reference itself is 4e-5 × scale away from what float64 gives.
        var steps: [VisualDecoding.Prediction] = []
        var drawn = 0
        while !decoding.isFinished {
            guard var prediction = decoding.predict() else { continue }
            steps.append(prediction)
            if prediction.visualToken != nil {
                prediction.visualToken = try golden.tensor("visual_embeds")[drawn..<(drawn + 1)]
                drawn += 1
            }
            decoding.take(prediction)
        }
        func expect(_ values: [Tensor], _ tensor: String) throws {
            let deviation = deviation(values.flatMap(\.array), from: try golden.tensor(tensor).array)
            #expect(deviation < 5e-5, "\(tensor) of \(name) is off by \(deviation) × scale")
        }
        #expect(steps.count == (try golden.integer("steps")))
        try expect(steps.map(\.hidden), "last_hidden_per_step")
        try expect(steps.map(\.headInput), "head_input_per_step")
        let logits = steps.flatMap(\.logits)
        #expect(deviation(logits, from: try golden.tensor("logits_per_step").array) < 5e-5)
    }

    @Test(arguments: cases)
    func reply_equalsTheReference(name: String) throws {
        let golden = try GoldenMetaMorph.golden(name)
        let model = try GoldenMetaMorph.model(golden.checkpoint())
        var decoding = try decoding(model, golden)
        while !decoding.isFinished { decoding.advance() }
        let transcript = decoding.transcript
        let expected = try golden.integers("generated_ids")
        let isStopped = expected.last.map(model.markers.ends.contains) ?? false
        #expect(transcript.ids == (isStopped ? Array(expected.dropLast()) : expected))
        #expect(transcript.finishReason == (isStopped ? .stop : .length))
        #expect(transcript.count + (isStopped ? 1 : 0) == (try golden.integer("steps")))
        #expect(!transcript.isForced)
        #expect(transcript.pictures.allSatisfy { $0.count == 64 })
        #expect(transcript.pictures.count * 64 == (try golden.integer("num_visual_embeds")))
        if !transcript.pictures.isEmpty {
            let drawn = transcript.pictures.flatMap(\.tokens.values)
            #expect(deviation(drawn, from: try golden.tensor("visual_embeds").array) < 5e-5)
        }
        let text = model.tokenizer.decode(transcript.ids, skipSpecialTokens: true)
        #expect(text.trimmingCharacters(in: .whitespacesAndNewlines) == (try golden.string("expected_text")))
    }

    @Test(arguments: cases)
    func limit_isNeverExceeded(name: String) throws {
        let golden = try GoldenMetaMorph.golden(name)
        let model = try GoldenMetaMorph.model(golden.checkpoint())
        let prompt = try model.prompt(of: [golden.turn()], field: "messages")
        var whole = VisualDecoding(model, prompt, greedy(200))
        while !whole.isFinished { whole.advance() }
        for limit in [1, 2, 7, 40, whole.transcript.count] where limit <= whole.transcript.count {
            var cut = VisualDecoding(model, prompt, greedy(limit))
            while !cut.isFinished { cut.advance() }
            #expect(cut.transcript.count == limit)
            #expect(cut.transcript.finishReason == .length)
            #expect(whole.transcript.ids.starts(with: cut.transcript.ids))
        }
    }

    // MARK: Image mode

    /// A decoder with this state instead of what the model would have made.
    private func predictions(
        _ rules: VisualDecoding.Rules,
        _ steps: [(id: Int, draws: Bool)]
    ) throws -> VisualDecoding {
        let model = try GoldenMetaMorph.model()
        var decoding = VisualDecoding(model, try model.prompt(of: [ChatTurn(.user, "draw")], field: "prompt"), rules)
        while decoding.predict() == nil {}
        for step in steps {
            var logits = [Float](repeating: 0, count: model.tokenizer.vocabularySize)
            logits[step.id] = 1
            let row = Tensor.zeros([1, 1, model.config.text.width])
            let token = Tensor(Array(repeating: Float(step.id), count: 72), shape: [1, 1, 72])
            #expect(decoding.state.isInImageMode == step.draws)
            decoding.take(
                VisualDecoding.Prediction(
                    hidden: row,
                    visualToken: decoding.state.isInImageMode ? token : nil,
                    headInput: row,
                    logits: logits
                )
            )
        }
        return decoding
    }

    /// `<image_start>`, `<image_end>`, `<|eot_id|>`
    private let start = 650
    private let end = 651
    private let stop = 648

    private func picture(_ count: Int = 64) -> [(id: Int, draws: Bool)] {
        Array(repeating: (id: 5, draws: true), count: count)
    }

    @Test func endOfTurn_endsAPictureHalfWay() throws {
        let decoding = try predictions(greedy(300), [(start, false)] + picture(9) + [(stop, true)])
        #expect(decoding.transcript.finishReason == .stop)
        #expect(decoding.transcript.ids == [start])
        #expect(decoding.transcript.pictures.map(\.count) == [10])
    }

    @Test func counter_startsAnewOnlyBehindTheEndOfAnImage() throws {
        let twice = try predictions(
            greedy(300),
            [(start, false)] + picture() + [(end, false), (start, false)] + picture() + [(stop, false)]
        )
        #expect(twice.transcript.ids == [start, end, start])
        #expect(twice.transcript.pictures.map(\.position) == [1, 3])
        // Without the end, the second start opens text that is read from the vision head, until an end comes.
        let stuck = try predictions(
            greedy(300),
            [(start, false)] + picture()
                + [(7, false), (start, false), (8, true), (start, true), (end, true), (start, false)] + picture(1)
        )
        #expect(stuck.transcript.ids == [start, 7, start, 8, start, end, start])
        #expect(stuck.transcript.pictures.map(\.position) == [1, 7])
        #expect(stuck.transcript.pictures.map(\.count) == [64, 1])
        #expect(!stuck.isFinished)
    }

    @Test func promptThatEndsInImageStart_isText() throws {
        let model = try GoldenMetaMorph.model()
        var prompt = try model.prompt(of: [ChatTurn(.user, "draw")], field: "prompt")
        prompt.sequence.append([start])
        var decoding = VisualDecoding(model, prompt, greedy(3))
        while decoding.state.transcript.count == 0 { decoding.advance() }
        #expect(decoding.transcript.pictures.isEmpty && decoding.transcript.ids.count == 1)
    }

    // MARK: Forced pictures

    private func pictureRules(_ maxTokens: Int) -> VisualDecoding.Rules {
        VisualDecoding.Rules(sampling: .greedy, seed: 0, maxTokens: maxTokens, endsWithPicture: true)
    }

    @Test func replyForAPicture_endsBehindIt() throws {
        let decoding = try predictions(pictureRules(9), [(7, false), (start, false)] + picture())
        #expect(decoding.transcript.finishReason == .stop)
        #expect(decoding.transcript.ids == [7, start])
        #expect(decoding.transcript.pictures.map(\.count) == [64])
        #expect(!decoding.transcript.isForced)
    }

    @Test func replyWithoutPicture_isMadeToDrawOne() throws {
        let endings: [[(id: Int, draws: Bool)]] = [[(7, false), (stop, false)], [(7, false), (8, false), (9, false)]]
        for beginning in endings {
            let decoding = try predictions(pictureRules(3), beginning + picture(63) + [(stop, true)])
            #expect(decoding.transcript.finishReason == .stop)
            #expect(decoding.transcript.ids.last == start)
            #expect(decoding.transcript.pictures.map(\.count) == [64])
            #expect(decoding.transcript.isForced)
        }
        // Half a picture is drawn to its end.
        let half = try predictions(
            pictureRules(3),
            [(start, false)] + picture(10) + [(stop, true)] + picture(53)
        )
        #expect(half.isFinished && half.transcript.isForced)
        #expect(half.transcript.ids == [start])
        #expect(half.transcript.pictures.map(\.count) == [64])
    }

    @Test func forbiddenPicture_isNeverBegun() throws {
        let golden = try GoldenMetaMorph.golden("text_to_image")
        let model = try GoldenMetaMorph.model()
        var rules = greedy(60)
        rules.mayDraw = false
        var decoding = VisualDecoding(model, try model.prompt(of: [golden.turn()], field: "messages"), rules)
        while !decoding.isFinished { decoding.advance() }
        #expect(decoding.transcript.ids.starts(with: try golden.integers("generated_ids").prefix(5)))
        #expect(!decoding.transcript.ids.contains(start))
        #expect(decoding.transcript.pictures.isEmpty)
    }
}
