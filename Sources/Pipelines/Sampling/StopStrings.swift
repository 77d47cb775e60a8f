/// Ends a reply before the first of the client's stop strings.
struct StopStrings {
    private let strings: [String]

    init(_ strings: [String]) {
        self.strings = strings
    }

    var isEmpty: Bool { strings.isEmpty }

    /// The text before the earliest stop string, nil where there is none. Compared by Unicode scalars: what a
    /// tokenizer writes is not normalised.
    func textBeforeStop(in text: String) -> String? {
        let scalars = Array(text.unicodeScalars)
        let first = strings.compactMap { scalars.firstRange(of: Array($0.unicodeScalars))?.lowerBound }.min()
        return first.map { end in
            var kept = String.UnicodeScalarView()
            kept.append(contentsOf: scalars[..<end])
            return String(kept)
        }
    }
}
