import HTTPMessages
import HTTPTypes
import Testing

@Suite struct MultipartTests {
    private func form(_ body: String) throws(HTTPStatusError) -> MultipartForm {
        try MultipartForm(Array(body.utf8), boundary: "b")
    }

    private func part(_ disposition: String, _ content: String = "x") -> String {
        "--b\r\nContent-Disposition: \(disposition)\r\n\r\n\(content)\r\n--b--\r\n"
    }

    @Test func form_givesPartsInOrder() throws {
        let form = try form(
            "--b\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\nWhat is it?\r\n"
                + "--b\r\ncontent-disposition: Form-Data; name=\"image[]\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n"
                + "\u{1}\r\n--\r\n-b\r\n--b\r\nContent-Disposition: form-data; name=image[]\r\n\r\n\r\n--b--"
        )
        #expect(form.parts.map(\.name) == ["q", "image[]", "image[]"])
        #expect(form.parts[0].text == "What is it?")
        #expect(form.parts[0].filename == nil)
        #expect(form.parts(named: "image[]").first?.filename == "a.png")
        #expect(form.parts[1].contentType == "image/png")
        #expect(form.parts[1].text == "\u{1}\r\n--\r\n-b")
        #expect(form.parts[2].body.isEmpty)
    }

    @Test func form_isBinarySafe() throws {
        let content = (0..<4).flatMap { _ in (0...255).map { UInt8($0) } } + Array("\r\n--\r\n-".utf8)
        let head = Array("--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n".utf8)
        let form = try MultipartForm(head + content + Array("\r\n--b--\r\n".utf8), boundary: "b")
        #expect(form.parts.map { Array($0.body) } == [content])
        #expect(form.parts.first?.text == nil)
    }

    @Test func form_withoutPartsIsEmpty() throws {
        #expect(try form("--b--\r\n").parts.isEmpty)
        #expect(try form("\r\n--b--").parts.isEmpty)
    }

    @Test(
        arguments: [
            (#"form-data; name="a\"b""#, "a\"b", nil), (#"form-data; name="a%22b""#, "a\"b", nil),
            (#"form-data; name="a;b=c"; filename="d; e.png""#, "a;b=c", "d; e.png"),
            (#"form-data; name=a; filename="C:\pics\x.png""#, "a", #"C:\pics\x.png"#),
            (#"form-data;name="a";filename="""#, "a", ""), (#"form-data; name=a; filename="é.png""#, "a", "é.png"),
            ("form-data; name=a; filename*=UTF-8''na%C3%AFve.png; filename=x", "a", "naïve.png"),
        ] as [(String, String, String?)]
    )
    func disposition_isTakenApart(disposition: String, name: String, filename: String?) throws {
        let part = try #require(try form(part(disposition)).parts.first)
        #expect(part.name == name)
        #expect(part.filename == filename)
    }

    @Test(arguments: [
        "form-data", "attachment; name=a", "form-data; name=\"a", "form-data; name=a; name=b", "form-data; name",
        "form-data; name=a b", "form-data; name=\"a\" x", "", "form-data; =a",
    ])
    func disposition_malformed(disposition: String) {
        #expect(throws: HTTPStatusError.self) { try form(part(disposition)) }
    }

    @Test(arguments: [
        "", "preamble\r\n--b--", "--b", "--b\r\n", "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx",
        "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b", "--bx\r\n", "--b--trailing",
        "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--bb\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=a\n\r\nx\r\n--b--", "--b\r\n\r\nx\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=a\r\n folded\r\n\r\nx\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=a\r\nX: \(String(repeating: "y", count: 5000))\r\n\r\nx\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=a\r\n\(String(repeating: "X: y\r\n", count: 20))\r\nx\r\n--b--",
        String(repeating: "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n", count: 65) + "--b--",
    ])
    func form_malformed(body: String) {
        #expect { try form(body) } throws: { ($0 as? HTTPStatusError)?.status == .badRequest }
    }

    @Test(arguments: ["", "a ", "a\u{E9}", "a\"b", String(repeating: "a", count: 71)])
    func boundary_invalid(boundary: String) {
        #expect(throws: HTTPStatusError.self) { try MultipartForm([], boundary: boundary) }
    }

    @Test func request_findsTheBoundary() throws {
        let body = Array(part("form-data; name=a").utf8)
        func parts(_ type: String) throws -> Int {
            try Request(.post, "/", fields: [.contentType: type], body: body).multipartForm().parts.count
        }
        #expect(try parts("multipart/form-data; boundary=b") == 1)
        #expect(try parts("Multipart/Form-Data; charset=utf-8; BOUNDARY=\"b\"") == 1)
        #expect { try parts("multipart/form-data") } throws: { ($0 as? HTTPStatusError)?.status == .badRequest }
        #expect { try parts("application/json") } throws: { ($0 as? HTTPStatusError)?.status.code == 415 }
        #expect { try parts("multipart/form-data; boundary=") } throws: { ($0 as? HTTPStatusError)?.status.code == 415 }
    }

    @Test func mediaType_hasNoParameters() throws {
        let request = try Request(.post, "/", fields: [.contentType: "Application/JSON; charset=utf-8"])
        #expect(request.mediaType == "application/json")
        #expect(try Request(.post, "/").mediaType == nil)
    }
}
