package import Pipelines

/// A loaded model in use: it stays loaded as long as somebody holds the lease.
package final class ModelLease: Sendable {
    package let name: String
    package let pipeline: any Pipeline
    private let release: @Sendable () -> Void

    init(name: String, pipeline: any Pipeline, release: @escaping @Sendable () -> Void) {
        self.name = name
        self.pipeline = pipeline
        self.release = release
    }

    deinit { release() }
}
