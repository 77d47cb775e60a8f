/// A piece of a prompt, and whether the control tokens in it count.
///
/// Segments are one text to the tokenizer: where nobody writes control tokens into their message, the ids of segments
/// are the ids of the joined text.
package struct PromptSegment: Sendable, Equatable {
    package var text: String
    /// True for text that the format writes, such as `<|eot_id|>`; false for what a user wrote.
    package var isControl: Bool

    package init(_ text: String, isControl: Bool) {
        self.text = text
        self.isControl = isControl
    }

    package static func control(_ text: String) -> PromptSegment { PromptSegment(text, isControl: true) }
    package static func user(_ text: String) -> PromptSegment { PromptSegment(text, isControl: false) }
}
