import Foundation
import GoldenData
import Images
import Networks
import Testing

@testable import Pipelines

@Suite struct LlamaFusionChatTests {
    private let picture = PixelImage(width: 16, height: 16, pixels: (0..<768).map { UInt8($0 * 37 % 256) })
    private let other = PixelImage(width: 16, height: 16, pixels: (0..<768).map { UInt8($0 * 91 % 256) })

    private func replies(_ request: ChatRequest, _ pipeline: LlamaFusionPipeline) throws -> [ChatReply] {
        var run = try pipeline.run(for: .chat(request))
        return try run.replies().replies
    }

    @Test(arguments: GoldenModel.names, ["question", "caption", "text"])
    func conversationOfOneTurn_isAnsweredAsTheReferenceDoes(model: String, name: String) throws {
        let golden = try GoldenCase("\(model)/cases/\(name)")
        let question = try golden.answer()
        let turn = ChatTurn(.user, [.text(question.question)] + question.images.map(ChatTurn.Part.picture))
        let request = ChatRequest(turns: [turn], maxTokens: question.maxTokens)
        let pipeline = try GoldenModel.pipeline(model)
        var answering = try pipeline.answering(question)
        let answer = try answering.answer()
        let reply = try #require(try replies(request, pipeline).first)
        #expect(reply.tokenIDs == answer.tokenIDs)
        #expect(reply.parts == (answer.text.isEmpty ? [] : [.text(answer.text)]))
        #expect(reply.finishReason == answer.finishReason && reply.scores == nil)
    }

    @Test func turns_areReadWithNewlinesBetweenThem() throws {
        let pipeline = try GoldenModel.pipeline("llamafusion")
        let config = pipeline.model.config
        func ids(_ text: String) throws -> [Int] { try pipeline.model.encode(text) }
        let request = ChatRequest(
            turns: [
                ChatTurn(.system, "Be brief."), ChatTurn(.user, "What is it?", images: [picture]),
                ChatTurn(.assistant, "A cat."),
                ChatTurn(.user, [.text("Is <image-placeholder> one too?"), .picture(other)]),
            ],
            maxTokens: 2
        )
        let (prompt, images) = try pipeline.prompt(of: request.turns, field: "messages")
        let newline = try ids("\n")
        let first = [config.bosTokenID] + (try ids("Be brief.")) + newline + [config.boiTokenID]
        let second =
            try [config.eoiTokenID] + ids("What is it?") + newline + ids("A cat.") + newline + ids("Is ")
            + [config.boiTokenID]
        let third = try [config.eoiTokenID] + ids(" one too?")
        #expect(
            prompt.passes == [.tokens(first), .picture(0), .tokens(second), .picture(1), .tokens(third)]
        )
        #expect(images == [picture, other])
        #expect(try replies(request, pipeline).count == 1)
    }

    @Test func severalReplies_areThoseOfTheirSeeds() throws {
        let pipeline = try GoldenModel.pipeline("transfusion")
        var request = ChatRequest(turns: [ChatTurn(.user, "What?")], count: 3, maxTokens: 5, seed: 4)
        request.sampling = TokenSampling(temperature: 2)
        request.topLogProbabilities = 2
        var run = try pipeline.run(for: .chat(request))
        #expect(run.progress == RunProgress(stage: .prefill, step: 0, steps: 15))
        let (all, usage) = try run.replies()
        #expect(run.progress == RunProgress(stage: .finished, step: 15, steps: 15))
        request.count = 1
        for (choice, reply) in all.enumerated() {
            request.seed = 4 + UInt64(choice)
            #expect(try replies(request, pipeline) == [reply])
        }
        #expect(Set(all.map(\.tokenIDs)).count > 1)
        #expect(usage.outputTokens == all.reduce(0) { $0 + $1.tokenIDs.count })
    }

    @Test func scores_areLogProbabilitiesOfTheModel() throws {
        let pipeline = try GoldenModel.pipeline("llamafusion")
        var request = ChatRequest(turns: [ChatTurn(.user, "What?")], maxTokens: 4, topLogProbabilities: 20)
        let reply = try #require(try replies(request, pipeline).first)
        let scores = try #require(reply.scores)
        #expect(scores.count == reply.tokenIDs.count)
        for score in scores {
            // Greedy: the chosen one is the most likely.
            #expect(score.chosen == score.top[0] && score.top.count == 20)
            #expect(score.top.map(\.logProbability) == score.top.map(\.logProbability).sorted(by: >))
            let share = score.top.reduce(0) { $0 + exp($1.logProbability) }
            #expect(share > 0 && share <= 1)
        }
        request.topLogProbabilities = pipeline.model.config.text.vocabularySize
        #expect(throws: PipelineError.self) { try pipeline.run(for: .chat(request)) }
    }

    /// All news of a run, and its result.
    private func told(_ run: any PipelineRun) throws -> (news: [ReplyNews], reply: ChatReply) {
        var run = run
        var news = run.news
        while true {
            let result = try run.advance()
            news += run.news
            if case .replies(let replies, _) = result, let reply = replies.first { return (news, reply) }
        }
    }

    private func text(_ news: [ReplyNews]) -> String {
        news.map { if case .text(let text, _) = $0.content { text } else { "" } }.joined()
    }

    private func scores(_ news: [ReplyNews]) -> [TokenScore] {
        news.flatMap { if case .text(_, let scores) = $0.content { scores } else { [TokenScore]() } }
    }

    @Test(arguments: [[], ["e"], ["never"]])
    func news_tellTheWholeReply(stop: [String]) throws {
        let pipeline = try GoldenModel.pipeline("llamafusion")
        let request = ChatRequest(
            turns: [ChatTurn(.user, "What is it?", images: [picture])],
            maxTokens: 12,
            stop: stop,
            topLogProbabilities: 1
        )
        let (news, reply) = try told(pipeline.run(for: .chat(request)))
        #expect(reply.parts == [.text(text(news))])
        #expect(reply.scores == scores(news))
    }

    @Test func conversation_continuesToTheSameBytes() throws {
        let pipeline = try GoldenModel.pipeline("llamafusion")
        let request = ChatRequest(
            turns: [
                ChatTurn(.user, "What is it?", images: [picture]), ChatTurn(.assistant, "A cat."),
                ChatTurn(.user, "And this?", images: [other]),
            ],
            count: 2,
            maxTokens: 6,
            sampling: TokenSampling(temperature: 1.3, topP: 0.95, topK: 100),
            seed: 3,
            stop: ["never"],
            modalities: [.text],
            topLogProbabilities: 3
        )
        var whole = try pipeline.run(for: .chat(request))
        let expected = try whole.finish()
        guard case .replies(let replies, _) = expected else { throw NoSuchResult() }
        for interval in [1, 2, 5] {
            var run = try pipeline.run(for: .chat(request))
            var finished = 0
            while true {
                if let result = try run.advance() {
                    #expect(result == expected)
                    break
                }
                guard run.progress.step >= finished + interval else { continue }
                finished = run.progress.step
                run = try pipeline.resume(.chat(request), from: run.archivedState())
                // What was told before is told again, and nothing that the reply doesn't say.
                for news in run.news {
                    guard case .text(let part)? = replies[news.choice].parts.first else { continue }
                    #expect(part.hasPrefix(text([news])))
                }
            }
        }
    }

    /// How runs have been saved ever since they could be.
    private struct SavedState: Codable {
        var sources: [Latents]
        var ids: [Int]
        var scores: [TokenScore]
        var sampler: TokenSampler
        var finishReason: GeneratedAnswer.FinishReason?
    }

    @Test func state_keepsItsForm() throws {
        let pipeline = try GoldenModel.pipeline("llamafusion")
        let request = ChatRequest(
            turns: [ChatTurn(.user, "What is it?", images: [picture])],
            maxTokens: 6,
            sampling: TokenSampling(temperature: 1.3),
            seed: 3,
            topLogProbabilities: 1
        )
        var run = try pipeline.replying(request)
        // The picture, the prompt's three passes, and two tokens more than the first.
        for _ in 0..<6 { #expect(try run.advance() == nil) }
        let model = pipeline.model.fingerprint
        let saved = try SavedRun<SavedState>.restore(run.archivedState(), of: .chat(request), model: model)
        #expect(saved.sources.count == 1 && saved.ids.count == 3 && saved.scores.count == 3)
        var resumed = try pipeline.replying(request)
        try resumed.restore(SavedRun.archive(saved, of: .chat(request), model: model))
        #expect(try resumed.finish() == run.finish())
    }

    @Test func state_ofAnotherConversationIsRefused() throws {
        let pipeline = try GoldenModel.pipeline("llamafusion")
        var request = ChatRequest(turns: [ChatTurn(.user, "What?")], maxTokens: 3)
        let state = try pipeline.run(for: .chat(request)).archivedState()
        _ = try pipeline.resume(.chat(request), from: state)
        request.seed = 1
        #expect(throws: PipelineError.self) { try pipeline.resume(.chat(request), from: state) }
        #expect(throws: PipelineError.self) { try pipeline.resume(.chat(request), from: Data()) }
        let question = RunRequest.answer(AnswerRequest(question: "What?", maxTokens: 3))
        #expect(throws: PipelineError.self) { try pipeline.resume(question, from: state) }
    }

    @Test func conversation_refusesWhatTheModelCannotDo() throws {
        let pipeline = try GoldenModel.pipeline("transfusion")
        func field(_ change: (inout ChatRequest) -> Void) throws -> String? {
            var request = ChatRequest(turns: [ChatTurn(.user, "Why?")])
            change(&request)
            do {
                _ = try pipeline.run(for: .chat(request))
                return nil
            } catch PipelineError.invalidRequest(let field, _) {
                return field
            }
        }
        #expect(try field { $0.modalities = [.text, .image] } == nil)
        #expect(try field { $0.modalities = [.image] } == "modalities")
        #expect(try field { $0.turns = [] } == "messages")
        #expect(try field { $0.turns = [ChatTurn(.system, "Hello")] } == "messages")
        #expect(try field { $0.turns.append(ChatTurn(.user, "")) } == "messages")
        #expect(try field { $0.turns = [ChatTurn(.user, String(repeating: "word ", count: 10000))] } == "messages")
        #expect(
            try field { $0.turns = [ChatTurn(.user, "", images: Array(repeating: picture, count: 300))] } == "messages"
        )
        #expect(
            try field { $0.turns = [ChatTurn(.user, ChatTurn.placeholder, images: [picture, other])] } == "messages"
        )
        #expect(try field { $0.count = 0 } == "n")
        #expect(try field { $0.count = 9 } == "n")
        #expect(try field { $0.maxTokens = 0 } == "max_tokens")
        #expect(try field { $0.sampling.topP = 0 } == "top_p")
        #expect(try field { $0.stop = [""] } == "stop")
        #expect(try field { $0.topLogProbabilities = 21 } == "top_logprobs")
        #expect(try field { $0.rendering.steps = 0 } == "num_inference_steps")
        #expect(try field { $0.rendering.guidanceScales = [.nan] } == "guidance_scale")
    }
}
