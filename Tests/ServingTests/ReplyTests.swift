import Foundation
import GRDB
import Images
import Pipelines
import Serving
import ServingFakes
import Testing

@Suite struct ReplyTests {
    private static func submission(_ text: String, count: Int = 1, durable: Bool = false) -> Submission {
        Submission(
            kind: .chat,
            model: nil,
            request: .chat(ChatRequest(turns: [ChatTurn(.user, text)], count: count, seed: 5)),
            delivery: PictureDelivery(format: .png, quality: 100, form: .base64),
            isDurable: durable
        )
    }

    private func text(_ news: [ReplyNews]) -> String {
        news.map { if case .text(let text, _) = $0.content { text } else { "" } }.joined()
    }

    @Test func reply_isStoredWithItsPictures() async throws {
        let server = try FakeServer()
        try await server.jobs.start()
        let job = try await server.jobs.submit(Self.submission("draw it", count: 2))
        _ = try await server.jobs.completion(of: job.id)
        let finished = try #require(try await server.jobs.finished(job.id))
        guard case .replies(let replies, let pictures, let usage) = finished.job.result else {
            Issue.record("no replies")
            return
        }
        let texts = [ReplyRecord.Part.text("You asked: draw"), .text(" it")]
        #expect(replies.map(\.parts) == (0..<2).map { [texts[0], .picture(index: $0), texts[1]] })
        #expect(replies.map(\.finishReason) == [.stop, .stop])
        #expect(pictures.map(\.seed) == [5, 6])
        #expect(usage == TokenUsage(inputTokens: 1, outputTokens: 10))
        #expect(finished.pictures.count == 2 && finished.news == nil)
        let limits = ImageLimits(maxPixels: 1000, maxBytes: 10_000)
        #expect(try ImageDecoder.decode(finished.pictures[1], limits: limits).pixels.prefix(3) == [6, 0, 255])
        #expect(try await server.jobs.picture(of: job.id, at: 1) == finished.pictures[1])
    }

    @Test func observers_hearAllNewsWheneverTheyCome() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let server = try FakeServer(models: ["fake": pipeline])
        try await server.jobs.start()
        let job = try await server.jobs.submit(Self.submission("why not", count: 2))
        pipeline.gate.admit(5)
        for _ in 0..<6 { _ = await pipeline.gate.arrival() }
        let updates = try #require(try await server.jobs.updates(of: job.id))
        var news: [ReplyNews] = []
        for await update in updates {
            switch update {
            case .changed(let view):
                #expect(view.news.starts(with: news) && view.news.count >= 5)
                news = view.news
                pipeline.gate.open()
            case .finished(let finished): news = try #require(finished.news)
            case .interrupted: Issue.record("interrupted")
            }
        }
        #expect(text(news.filter { $0.choice == 0 }) == "You asked: why not")
        #expect(text(news.filter { $0.choice == 1 }) == "You asked: why not")
    }

    @Test func observer_isRemindedWhileNothingHappens() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let server = try FakeServer(models: ["fake": pipeline])
        try await server.jobs.start()
        let job = try await server.jobs.submit(Self.submission("why"))
        _ = await pipeline.gate.arrival()
        let updates = try #require(try await server.jobs.updates(of: job.id, atLeastEvery: 0.01))
        var changes = 0
        for await update in updates {
            guard case .changed = update else { continue }
            changes += 1
            if changes == 5 { pipeline.gate.open() }
        }
        #expect(changes >= 5)
    }

    @Test func restartedReply_goesOnAndTellsWhatItHasTold() async throws {
        let pipeline = FakePipeline(gate: StepGate(isOpen: false))
        let server = try FakeServer(models: ["fake": pipeline])
        try await server.jobs.start()
        let job = try await server.jobs.submit(Self.submission("draw it", count: 2, durable: true))
        pipeline.gate.admit(6)
        for _ in 0..<7 { _ = await pipeline.gate.arrival() }
        let stopping = Task { await server.jobs.shutdown(within: 100) }
        while server.jobs.isAccepting { await Task.yield() }
        pipeline.gate.open()
        await stopping.value

        let next = FakePipeline(gate: StepGate(isOpen: false))
        let restarted = try FakeServer(folder: server.folder, models: ["fake": next])
        try await restarted.jobs.start()
        _ = await next.gate.arrival()
        let updates = try #require(try await restarted.jobs.updates(of: job.id))
        next.gate.open()
        var news: [ReplyNews] = []
        for await update in updates {
            if case .finished(let finished) = update { news = try #require(finished.news) }
        }
        #expect(next.resumed == 1 && next.steps.count < 10)
        #expect(text(news.filter { $0.choice == 0 }) == "You asked: draw it")
        #expect(text(news.filter { $0.choice == 1 }) == "You asked: draw it")
        let pictures = news.compactMap { if case .picture(let picture) = $0.content { picture.seed } else { nil } }
        #expect(pictures == [5, 6])
    }

    /// A database with a job of each kind, written before there was chat.
    @Test func olderDatabase_isReadAsItIs() throws {
        let folder = try TemporaryFolder()
        let path = folder.url.appending(path: "jobs.sqlite")
        let answer = """
            {"createdAt":0,"id":"job_a","isDurable":false,"kind":"answer","model":"m","status":"completed",\
            "requestSummary":"{}","timings":{"stages":[{"stage":"prefill","steps":1,"seconds":0.5}]},"completedAt":1,\
            "expiresAt":3600,"startedAt":0.5,"progress":{"stage":"finished","step":2,"steps":2},"result":{"answer":\
            {"_0":{"text":"yes","tokenIDs":[1,2],"finishReason":"stop"},"usage":{"inputTokens":3,"outputTokens":2}}}}
            """
        let pictures = """
            {"createdAt":0,"id":"job_p","isDurable":true,"kind":"generation","model":"m","status":"completed",\
            "delivery":{"format":"png","quality":100,"form":"b64_json"},"timings":{"stages":[]},"completedAt":1,\
            "result":{"pictures":{"_0":[{"seed":18446744073709551615,"width":2,"height":1}],\
            "usage":{"inputTokens":3,"outputTokens":4}}}}
            """
        _ = try SQLiteJobStore(path: path).close()
        do {
            let database = try DatabaseQueue(path: path.path)
            try database.write { database in
                for (id, document) in [("job_a", answer), ("job_p", pictures)] {
                    try database.execute(
                        sql: "INSERT INTO jobs (id, status, document) VALUES (?, 'completed', ?)",
                        arguments: [id, document]
                    )
                }
            }
            try database.close()
        }
        let store = try SQLiteJobStore(path: path)
        #expect(try store.jobs(JobQuery()).jobs.map(\.id.rawValue) == ["job_p", "job_a"])
        let usage = TokenUsage(inputTokens: 3, outputTokens: 2)
        let record = AnswerRecord(text: "yes", tokenIDs: [1, 2], finishReason: .stop)
        #expect(try store.job(JobID(rawValue: "job_a"))?.result == .answer(record, usage: usage))
        guard case .pictures(let records, _) = try store.job(JobID(rawValue: "job_p"))?.result else {
            Issue.record("no pictures")
            return
        }
        #expect(records == [PictureRecord(seed: .max, width: 2, height: 1)])
    }
}
