import Testing

@testable import Tokenizers

struct CanonicalCompositionTests {
    @Test(arguments: [
        ("e\u{301}", "\u{E9}"), ("a\u{323}\u{302}", "\u{1EAD}"), ("a\u{302}\u{323}", "\u{1EAD}"),
        ("\u{212B}", "\u{C5}"), ("\u{958}", "\u{915}\u{93C}"), (">\u{338}", "\u{226F}"),
        ("\u{1100}\u{1161}\u{11A8}", "\u{AC01}"), ("\u{AC00}\u{11A8}", "\u{AC01}"),
        ("\u{AC01}\u{11A8}", "\u{AC01}\u{11A8}"),
        ("\u{11099}\u{110BA}", "\u{1109A}"), ("\u{301}e", "\u{301}e"), ("\u{F81}", "\u{F71}\u{F80}"), ("", ""),
        // Blocked by a mark of the same class, not by one of a lower class.
        ("a\u{5AE}\u{308}\u{301}", "\u{E4}\u{5AE}\u{301}"), ("a\u{334}\u{301}", "\u{E1}\u{334}"),
    ])
    func text_isComposed(text: String, expected: String) {
        #expect(isSameText(CanonicalComposition.compose(text), expected))
    }
}
