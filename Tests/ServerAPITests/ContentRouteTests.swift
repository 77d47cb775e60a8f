import HTTPTypes
import ServingFakes
import StrictJSON
import Testing

@testable import ServerAPI

@Suite struct ContentRouteTests {
    /// A finished job of two pictures.
    private func content(of client: TestClient) async throws -> String {
        let reply = try await client.post("/v1/images/generations", #"{"prompt": "a", "n": 2}"#)
        return "/v1/jobs/\(try #require(reply.fields[.jobID]))/content"
    }

    @Test func content_isThePicture() async throws {
        let client = try await TestClient()
        let path = try await content(of: client)
        let first = try await client.get(path)
        let second = try await client.get(path + "?index=1")
        #expect(first.status == 200 && first.fields[.contentType] == "image/png")
        #expect(first.fields[.acceptRanges] == "bytes")
        #expect(first.body.starts(with: [0x89, 0x50, 0x4E, 0x47]) && first.body != second.body)
        #expect(first.fields[.eTag] != second.fields[.eTag])
    }

    @Test func knownContent_isNotSentAgain() async throws {
        let client = try await TestClient()
        let path = try await content(of: client)
        let tag = try #require(try await client.get(path).fields[.eTag])
        for field in [tag, "\"x\", \(tag)", "*", "W/\(tag)"] {
            let reply = try await client.get(path, fields: [.ifNoneMatch: field])
            #expect(reply.status == 304 && reply.body.isEmpty && reply.fields[.eTag] == tag, "\(field)")
        }
        #expect(try await client.get(path, fields: [.ifNoneMatch: "\"x\""]).status == 200)
    }

    @Test func range_isAPartOfTheContent() async throws {
        let client = try await TestClient()
        let path = try await content(of: client)
        let whole = try await client.get(path)
        let count = whole.body.count
        let part = try await client.get(path, fields: [.range: "bytes=2-5"])
        #expect(part.status == 206 && part.body == Array(whole.body[2...5]))
        #expect(part.fields[.contentRange] == "bytes 2-5/\(count)")
        let beyond = try await client.get(path, fields: [.range: "bytes=\(count)-"])
        #expect(beyond.status == 416 && beyond.fields[.contentRange] == "bytes */\(count)")
        let stale = try await client.get(path, fields: [.range: "bytes=0-0", .ifRange: "\"x\""])
        #expect(stale.status == 200 && stale.body.count == count)
    }

    @Test(arguments: [
        ("bytes=0-3", ByteRange.part(0..<4)), ("bytes=6-", .part(6..<10)), ("bytes=-3", .part(7..<10)),
        ("bytes=-30", .part(0..<10)), ("bytes=8-99999999999999999999", .part(8..<10)), ("bytes=10-", .unsatisfiable),
        ("bytes=-0", .unsatisfiable), ("bytes=5-2", .whole), ("bytes=1-2,4-5", .whole), ("items=1-2", .whole),
        ("bytes=a-b", .whole), ("bytes=-", .whole), ("bytes=", .whole), ("bytes=99999999999999999999-", .unsatisfiable),
    ])
    func byteRange_isReadAsTheStandardSays(_ field: String, _ expected: ByteRange) {
        #expect(ByteRange(field, count: 10) == expected)
    }

    @Test func missingContent_isAnError() async throws {
        let client = try await TestClient()
        let path = try await content(of: client)
        #expect(try await client.get(path + "?index=2").code == "content_not_found")
        for query in ["index=-1", "index=x", "page=1"] {
            #expect(try await client.get(path + "?" + query).status == 400, "\(query)")
        }
        let answer = try await client.post("/v1/answers", #"{"question": "q", "max_tokens": 2}"#)
        let id = try #require(answer.fields[.jobID])
        #expect(try await client.get("/v1/jobs/\(id)/content").status == 404)
    }

    @Test func unfinishedJob_hasNoContentYet() async throws {
        let gate = StepGate(isOpen: false)
        let client = try await TestClient(models: ["fake": FakePipeline(gate: gate)])
        let reply = try await client.post(
            "/v1/images/generations",
            #"{"prompt": "a"}"#,
            fields: [.prefer: "respond-async"]
        )
        let id = try #require(reply.json["id"]?.stringValue)
        let content = try await client.get("/v1/jobs/\(id)/content")
        #expect(content.status == 409 && content.code == "job_not_finished")
        gate.open()
    }
}
