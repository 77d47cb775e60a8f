/// How the keys of a checkpoint become the names that a network uses: variants are renamed here, never in a forward.
package struct KeyTable: Sendable {
    /// Fragments of keys and what stands for them here, applied in order.
    package var renamed: [(from: String, to: String)]
    /// Beginnings and endings of keys that hold nothing a network needs, such as buffers that old versions saved.
    package var ignoredPrefixes: [String]
    package var ignoredSuffixes: [String]

    package init(
        renamed: [(from: String, to: String)] = [],
        ignoredPrefixes: [String] = [],
        ignoredSuffixes: [String] = []
    ) {
        self.renamed = renamed
        self.ignoredPrefixes = ignoredPrefixes
        self.ignoredSuffixes = ignoredSuffixes
    }

    func ignores(_ key: String) -> Bool {
        ignoredPrefixes.contains { key.hasPrefix($0) } || ignoredSuffixes.contains { key.hasSuffix($0) }
    }

    func parameter(for key: String) -> String {
        renamed.reduce(key) { $0.replacing($1.from, with: $1.to) }
    }
}
