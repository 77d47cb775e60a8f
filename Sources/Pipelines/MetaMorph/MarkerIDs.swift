import Tokenizers

/// The ids of the tokens that mean something to the decoder, as the checkpoint's tokenizer numbers them.
struct MarkerIDs: Sendable, Equatable {
    static let beginOfText = "<|begin_of_text|>"
    static let endOfText = "<|end_of_text|>"
    static let endOfTurn = "<|eot_id|>"
    static let imageStart = "<image_start>"
    static let imageEnd = "<image_end>"
    /// Around a role; no id of theirs is compared with anything.
    private static let header = ["<|start_header_id|>", "<|end_header_id|>"]

    let imageStart: Int
    let imageEnd: Int
    /// Each of them ends a reply.
    let ends: Set<Int>

    /// - Throws: `MissingToken` where the tokenizer lacks a token that conversations are written with.
    init(_ tokenizer: Tokenizer) throws {
        func id(_ token: String) throws -> Int {
            guard let id = tokenizer.id(of: token) else { throw MissingToken(token: token) }
            return id
        }
        for token in [Self.beginOfText] + Self.header { _ = try id(token) }
        imageStart = try id(Self.imageStart)
        imageEnd = try id(Self.imageEnd)
        ends = [try id(Self.endOfText), try id(Self.endOfTurn)]
    }

    struct MissingToken: Error {
        var token: String
    }
}
