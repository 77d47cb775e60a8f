/// What a reader accepts. The limits are the caller's, who knows what a sound document looks like.
package struct JSONRules: Sendable {
    /// Lists and objects within each other. It keeps the reader's recursion off the end of the stack.
    package let depthLimit: Int
    /// Values in all. Each takes far more memory than the two bytes it may be in the text.
    package let valueLimit: Int
    /// Whether `NaN`, `Infinity` and `-Infinity` are numbers, as Python's json module writes them.
    package let admitsNonFiniteNumbers: Bool
    /// Combining marks in a row, in a key or a string (`JSONString.longestMarkRun`); nil where nobody normalises them.
    package let markLimit: Int?

    package init(depthLimit: Int, valueLimit: Int, admitsNonFiniteNumbers: Bool = false, markLimit: Int? = nil) {
        self.depthLimit = depthLimit
        self.valueLimit = valueLimit
        self.admitsNonFiniteNumbers = admitsNonFiniteNumbers
        self.markLimit = markLimit
    }
}
