import Foundation
import Tokenizers

/// A text of a reply as it grows token by token.
///
/// What has been handed out is never taken back: the beginning of a character waits for its end, white space for what
/// follows it (there is none around a reply's text), and what may become a stop string for the proof that it doesn't.
struct ReplyText: Sendable {
    /// What is certain.
    private(set) var text = ""
    /// Whether a stop string has ended the text.
    private(set) var isStopped = false
    private var stream: DecodingStream
    private let stop: StopStrings
    /// Read, but not certain.
    private var open: [Unicode.Scalar] = []

    init(_ tokenizer: Tokenizer, stop: StopStrings) {
        stream = tokenizer.makeStream(skipSpecialTokens: true)
        self.stop = stop
    }

    /// Takes the next token.
    /// - Returns: what is certain by now and was not before, often "".
    mutating func append(_ id: Int) -> String {
        take(stream.append(id), isLast: false)
    }

    /// Nothing follows.
    /// - Returns: the rest of the text.
    mutating func finish() -> String {
        take(stream.finish(), isLast: true)
    }

    private mutating func take(_ new: String, isLast: Bool) -> String {
        guard !isStopped else { return "" }
        open += new.unicodeScalars
        if text.isEmpty { open = Array(open.drop(while: Self.isSpace)) }
        var certain = open[...]
        if let end = stop.firstIndex(in: open) {
            isStopped = true
            certain = open[..<end]
        } else if !isLast {
            certain = open.dropLast(stop.begunCount(atEndOf: open))
        }
        while let last = certain.last, Self.isSpace(last) { certain.removeLast() }
        open.removeFirst(certain.count)
        var delta = String.UnicodeScalarView()
        delta.append(contentsOf: certain)
        text.unicodeScalars.append(contentsOf: certain)
        return String(delta)
    }

    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        CharacterSet.whitespacesAndNewlines.contains(scalar)
    }
}
