import Images
import Testing

@testable import Pipelines

@Suite struct ChatTurnTests {
    private let first = PixelImage(width: 1, height: 1, pixels: [1, 1, 1])
    private let second = PixelImage(width: 1, height: 1, pixels: [2, 2, 2])

    @Test func picturesOfAUser_comeBeforeTheText() throws {
        let turn = ChatTurn(.user, [.text("what "), .picture(first), .text("is it?"), .picture(second)])
        #expect(try turn.arranged() == [.picture(first), .picture(second), .text("what is it?")])
        #expect(try ChatTurn(.user, "", images: [first]).arranged() == [.picture(first)])
    }

    @Test func placeholders_placeThePictures() throws {
        let text = "from <image-placeholder> to <image-placeholder>"
        let turn = ChatTurn(.user, text, images: [first, second])
        #expect(try turn.arranged() == [.text("from "), .picture(first), .text(" to "), .picture(second)])
        let mismatch = PipelineError.invalidRequest(field: "q", reason: "a message has 2 placeholders for 1 pictures")
        #expect(throws: mismatch) {
            try ChatTurn(.user, text, images: [first]).arranged(field: "q")
        }
        #expect(try ChatTurn(.user, text).arranged() == [.text(text)])
    }

    @Test func partsOfOthers_stayWhereTheyAre() throws {
        let parts: [ChatTurn.Part] = [.text("a"), .picture(first), .text("b <image-placeholder>")]
        #expect(try ChatTurn(.assistant, parts + [.text("")]).arranged() == parts)
    }
}
