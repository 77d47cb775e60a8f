import Foundation
import HTTPTypes
import Serving
import ServingFakes
import StrictJSON
import Testing

@testable import ServerAPI

@Suite struct JobRouteTests {
    private let images = "/v1/images/generations"

    /// A client whose models wait before every step ends.
    private func gatedClient(options: JobService.Options = .init(), limits: StepSchedule.Limits = .init())
        async throws -> (TestClient, StepGate)
    {
        let gate = StepGate(isOpen: false)
        return (
            try await TestClient(models: ["fake": FakePipeline(gate: gate)], options: options, limits: limits), gate
        )
    }

    private func submit(_ client: TestClient, _ body: String = #"{"prompt": "a", "seed": 1}"#, fields: HTTPFields = [:])
        async throws -> String
    {
        var fields = fields
        fields[.prefer] = "respond-async"
        return try #require(try await client.post(images, body, fields: fields).json["id"]?.stringValue)
    }

    @Test func asynchronousRequest_isAcceptedAsJob() async throws {
        let (client, gate) = try await gatedClient()
        let reply = try await client.post(
            images,
            #"{"prompt": "a cat", "seed": 1, "n": 2}"#,
            fields: [.prefer: "respond-async"]
        )
        #expect(reply.status == 202)
        let id = try #require(reply.json["id"]?.stringValue)
        #expect(reply.fields[.location] == "/v1/jobs/\(id)")
        #expect(reply.json["object"] == "job" && reply.json["kind"] == "generation")
        _ = await gate.arrival()
        let running = try await client.get("/v1/jobs/\(id)").json
        #expect(running["status"] == "in_progress" && running["stage"] == "denoise")
        #expect(running["progress"]?.doubleValue == 0 && running["steps"] == 4)
        #expect(running["result"] == .null && running["completed_at"] == .null)
        gate.open()
        let job = try await client.finishedJob(id)
        #expect(job["status"] == "completed" && job["progress"] == 1 && job["step"] == 4)
        #expect(job["request"]?["prompt"] == "a cat" && job["request"]?["n"] == 2)
        #expect(job["result"]?["data"]?.arrayValue?.count == 2)
        #expect(job["error"] == .null)
        #expect(job["expires_at"]?.integerValue == 1_800_000_000 + 24 * 3600)
        #expect(
            job["urls"] == [
                "self": .string("/v1/jobs/\(id)"), "events": .string("/v1/jobs/\(id)/events"),
                "cancel": .string("/v1/jobs/\(id)/cancel"), "content": .string("/v1/jobs/\(id)/content?index=0"),
            ]
        )
    }

    @Test func job_hasEveryFieldOfTheContract() async throws {
        let client = try await TestClient()
        let id = try await submit(client)
        guard case .object(let job) = try await client.finishedJob(id) else {
            Issue.record("no object")
            return
        }
        #expect(
            job.members.map(\.name) == [
                "id", "object", "kind", "model", "status", "progress", "step", "steps", "stage", "queue_position",
                "eta_seconds", "created_at", "started_at", "completed_at", "expires_at", "request", "result", "error",
                "urls",
            ]
        )
    }

    @Test func jobResult_equalsTheSynchronousAnswer() async throws {
        let client = try await TestClient()
        let reply = try await client.post(images, #"{"prompt": "a"}"#)
        let id = try #require(reply.fields[.jobID])
        #expect(try await client.get("/v1/jobs/\(id)").json["result"] == reply.json)
    }

    @Test func waitingRequest_isAnsweredInTimeOrAsJob() async throws {
        let (client, gate) = try await gatedClient()
        let late = try await client.post(images, #"{"prompt": "a"}"#, fields: [.prefer: "wait=0"])
        #expect(late.status == 202)
        gate.open()
        let early = try await client.post(images, #"{"prompt": "a"}"#, fields: [.prefer: "respond-async, wait=600"])
        #expect(early.status == 200)
        for value in ["wait=x", "wait", "wait=-1", "wait=1e9"] {
            let reply = try await client.post(images, #"{"prompt": "a"}"#, fields: [.prefer: value])
            #expect(reply.status == 400 && reply.param == "Prefer", "\(value)")
        }
    }

    @Test func cancelAfter_endsTheRequest() async throws {
        let (client, gate) = try await gatedClient()
        async let reply = client.post(images, #"{"prompt": "a"}"#, fields: [.cancelAfter: "90s"])
        _ = await gate.arrival()
        client.server.clock.advance(by: 91)
        gate.open()
        #expect(try await reply.status == 408)
        #expect(try await reply.code == "deadline_exceeded")
        for value in ["0s", "-5s", "soon", "9d", "nan", ""] {
            let refused = try await client.post(images, #"{"prompt": "a"}"#, fields: [.cancelAfter: value])
            #expect(refused.status == 400 && refused.param == "Cancel-After", "\(value)")
        }
    }

    @Test func idempotencyKey_returnsTheFirstAnswer() async throws {
        let client = try await TestClient()
        let fields: HTTPFields = [.idempotencyKey: "k-1"]
        let first = try await client.post(images, #"{"prompt": "a", "n": 2}"#, fields: fields)
        let again = try await client.post(images, #"{"n": 2, "prompt":"a"}"#, fields: fields)
        #expect(first.status == 200 && again.body == first.body)
        let other = try await client.post(images, #"{"prompt": "b", "n": 2}"#, fields: fields)
        #expect(other.status == 409 && other.code == "idempotency_key_reused")
        let elsewhere = try await client.post("/v1/answers", #"{"question": "a"}"#, fields: fields)
        #expect(elsewhere.status == 409)
        let invalid = try await client.post(images, #"{"prompt": "a"}"#, fields: [.idempotencyKey: "a b"])
        #expect(invalid.status == 400 && invalid.param == "Idempotency-Key")
    }

    @Test func fullQueue_isRefused() async throws {
        var options = JobService.Options()
        options.queueLimit = 1
        var limits = StepSchedule.Limits()
        limits.long = 1
        let (client, gate) = try await gatedClient(options: options, limits: limits)
        _ = try await submit(client)
        _ = await gate.arrival()
        let second = try await submit(client)
        let refused = try await client.post(images, #"{"prompt": "a"}"#)
        #expect(refused.status == 429 && refused.code == "queue_full")
        #expect(refused.fields[.retryAfter] == "5")
        #expect(try await client.get("/v1/jobs/\(second)").json["queue_position"] == 1)
        gate.open()
    }

    @Test func hangUp_cancelsAJobWithoutAKey() async throws {
        let (client, gate) = try await gatedClient()
        let plain = Task { try await client.post(images, #"{"prompt": "plain"}"#) }
        _ = await gate.arrival()
        plain.cancel()
        _ = try await plain.value
        let keyed = Task { try await client.post(images, #"{"prompt": "keyed"}"#, fields: [.idempotencyKey: "k"]) }
        gate.admit()
        _ = await gate.arrival()
        keyed.cancel()
        _ = try await keyed.value
        gate.open()
        let jobs = try #require(try await client.get("/v1/jobs").json["data"]?.arrayValue)
        let ids = jobs.compactMap { $0["id"]?.stringValue }
        #expect(try await client.finishedJob(ids[0])["status"] == "completed")
        #expect(try await client.finishedJob(ids[1])["status"] == "cancelled")
    }

    @Test func cancel_endsAJob() async throws {
        let (client, gate) = try await gatedClient()
        let id = try await submit(client)
        _ = await gate.arrival()
        let reply = try await client.send(.post, "/v1/jobs/\(id)/cancel")
        #expect(reply.status == 200 && reply.json["status"] == "cancelled")
        #expect(reply.json["error"]?["code"] == "job_cancelled")
        gate.open()
        #expect(try await client.send(.post, "/v1/jobs/\(id)/cancel").status == 200)
        let done = try await submit(client)
        _ = try await client.finishedJob(done)
        let late = try await client.send(.post, "/v1/jobs/\(done)/cancel")
        #expect(late.status == 409 && late.code == "job_finished")
    }

    @Test func synchronousRequest_hearsOfItsCancellation() async throws {
        let (client, gate) = try await gatedClient()
        async let reply = client.post(images, #"{"prompt": "a"}"#)
        _ = await gate.arrival()
        let id = try #require(try await client.get("/v1/jobs").json["data"]?.arrayValue?.first?["id"]?.stringValue)
        _ = try await client.send(.post, "/v1/jobs/\(id)/cancel")
        #expect(try await reply.status == 409)
        #expect(try await reply.code == "job_cancelled")
        gate.open()
    }

    @Test func unknownJob_isNotFound() async throws {
        let client = try await TestClient()
        for (method, path) in [
            (HTTPRequest.Method.get, ""), (.delete, ""), (.post, "/cancel"), (.get, "/content"),
        ] {
            let reply = try await client.send(method, "/v1/jobs/job_x\(path)")
            #expect(reply.status == 404 && reply.code == "job_not_found", "\(method) \(path)")
        }
    }

    @Test func expiredJob_isGone() async throws {
        let client = try await TestClient()
        let id = try await submit(client)
        _ = try await client.finishedJob(id)
        client.server.clock.advance(by: 24 * 3600)
        for path in ["", "/content?index=0"] {
            let reply = try await client.get("/v1/jobs/\(id)\(path)")
            #expect(reply.status == 410 && reply.code == "job_expired")
        }
        await client.server.jobs.sweep()
        #expect(try await client.get("/v1/jobs/\(id)").status == 410)
        let listed = try await client.get("/v1/jobs?status=expired").json["data"]?.arrayValue
        #expect(listed?.first?["status"] == "expired")
    }

    @Test func jobThatExpiresWhileItIsShown_isGone() async throws {
        let client = try await TestClient()
        let id = try await submit(client)
        _ = try await client.finishedJob(id)
        // The job is looked at, then its result.
        client.server.clock.advance(by: 24 * 3600, afterReads: 1)
        let reply = try await client.get("/v1/jobs/\(id)")
        #expect(reply.status == 410 && reply.code == "job_expired")
    }

    @Test func deletedJob_isNotFound() async throws {
        let client = try await TestClient()
        let id = try await submit(client)
        _ = try await client.finishedJob(id)
        let reply = try await client.send(.delete, "/v1/jobs/\(id)")
        #expect(reply.status == 200 && reply.json["deleted"] == true)
        #expect(try await client.get("/v1/jobs/\(id)").status == 404)
    }

    @Test func list_isPaged() async throws {
        let client = try await TestClient()
        var ids: [String] = []
        for _ in 0..<3 { ids.append(try await submit(client)) }
        for id in ids { _ = try await client.finishedJob(id) }
        let first = try await client.get("/v1/jobs?limit=2&status=completed").json
        #expect(first["object"] == "list" && first["has_more"] == true)
        #expect(first["data"]?.arrayValue?.map { $0["id"]?.stringValue } == [ids[2], ids[1]])
        let rest = try await client.get("/v1/jobs?after=\(ids[1])").json
        #expect(rest["data"]?.arrayValue?.map { $0["id"]?.stringValue } == [ids[0]])
        #expect(rest["has_more"] == false)
        #expect(try await client.get("/v1/jobs?status=failed").json["data"] == [])
        for query in ["status=done", "limit=0", "limit=101", "limit=x", "after=job_x", "page=2"] {
            let reply = try await client.get("/v1/jobs?\(query)")
            #expect(
                reply.status == 400 && reply.param == query.split(separator: "=").first.map(String.init),
                "\(query)"
            )
        }
    }

    @Test func failedJob_showsItsError() async throws {
        let client = try await TestClient()
        let id = try await submit(client, #"{"prompt": "fail"}"#)
        let job = try await client.finishedJob(id)
        #expect(job["status"] == "failed" && job["result"] == .null)
        #expect(job["error"]?["code"] == "run_failed" && job["error"]?["type"] == "server_error")
        let content = try await client.get("/v1/jobs/\(id)/content")
        #expect(content.status == 404 && content.code == "content_not_found")
    }
}
