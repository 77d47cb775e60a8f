/// The client's stop strings: a reply ends before the first of them.
///
/// Compared by Unicode scalars: what a tokenizer writes is not normalised.
struct StopStrings: Sendable {
    private let strings: [[Unicode.Scalar]]

    init(_ strings: [String]) {
        self.strings = strings.map { Array($0.unicodeScalars) }
    }

    /// Where the earliest stop string begins.
    func firstIndex(in text: [Unicode.Scalar]) -> Int? {
        strings.compactMap { text.firstRange(of: $0)?.lowerBound }.min()
    }

    /// How many scalars at the end of the text may be the beginning of a stop string.
    func begunCount(atEndOf text: [Unicode.Scalar]) -> Int {
        strings.map { string in
            let longest = min(string.count - 1, text.count)
            return stride(from: longest, to: 0, by: -1).first { text.suffix($0).elementsEqual(string.prefix($0)) } ?? 0
        }.max() ?? 0
    }
}
