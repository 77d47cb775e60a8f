import HTTPTypes
import ServingFakes
import StrictJSON
import Testing

@testable import ServerAPI

@Suite struct OpenAPITests {
    @Test func description_namesExactlyTheRoutes() async throws {
        let client = try await TestClient()
        let paths = try #require(try await client.get("/openapi.json").json["paths"])
        guard case .object(let items) = paths else {
            Issue.record("no paths")
            return
        }
        let described = items.members.flatMap { item -> [String] in
            guard case .object(let operations) = item.value else { return [] }
            return operations.members.map { "\($0.name.uppercased()) \(item.name)" }
        }
        let notYet = Set(ServerAPI.notYet.map { "\($0.method.rawValue) \($0.path)" })
        let routes = Set(ServerAPI.routes(client.api).map { "\($0.method.rawValue) \($0.path)" })
        #expect(Set(described) == routes.subtracting(notYet))
    }

    @Test func description_refersOnlyToItsOwnSchemas() throws {
        guard case .object(let schemas) = OpenAPISchemas.all else {
            Issue.record("no schemas")
            return
        }
        let names = Set(schemas.members.map(\.name))
        let used = Set(references(in: OpenAPIDocument.json).map { String($0.dropFirst("#/components/schemas/".count)) })
        #expect(used == names)
    }

    private func references(in value: JSONValue) -> [String] {
        switch value {
        case .array(let elements): return elements.flatMap(references)
        case .object(let object):
            return object.members.flatMap { member -> [String] in
                member.name == "$ref" ? [member.value.stringValue ?? ""] : references(in: member.value)
            }
        case .null, .bool, .number, .string: return []
        }
    }

    @Test func requestSchemas_nameExactlyTheFields() throws {
        let named = { (schema: String) -> Set<String> in
            guard case .object(let properties) = OpenAPISchemas.all[schema]?["properties"] else { return [] }
            return Set(properties.members.map(\.name))
        }
        // Streams are not built yet, and a form's list of pictures is one name given several times.
        let later: Set = ["partial_images", "image[]"]
        #expect(named("GenerationRequest") == Set(FieldNames.generation.accepted).subtracting(later))
        #expect(
            named("EditForm").union(named("GenerationRequest")) == Set(FieldNames.edit.accepted).subtracting(later)
        )
        #expect(named("ChatRequest") == Set(FieldNames.chat.accepted))
        #expect(
            named("AnswerRequest").union(named("AnswerForm")) == Set(FieldNames.answer.accepted).subtracting(later)
        )
    }
}
