/// A family of models as the registry knows it: how its checkpoints are checked and loaded.
package struct ModelFamily: Sendable {
    package var name: String
    /// Maps the files and builds the pipeline.
    /// - Throws: a typed error naming the file, tensor or JSON path that can't be used.
    package var load: @Sendable (ModelEntry) throws -> any Pipeline
    /// Reads configurations and headers only, and lists everything that `load` would complain about.
    package var check: @Sendable (ModelEntry) -> CheckReport

    package init(
        name: String,
        load: @escaping @Sendable (ModelEntry) throws -> any Pipeline,
        check: @escaping @Sendable (ModelEntry) -> CheckReport
    ) {
        self.name = name
        self.load = load
        self.check = check
    }
}
