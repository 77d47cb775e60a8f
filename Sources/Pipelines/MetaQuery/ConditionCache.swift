import Tensors

/// Conditions that were made of late, so that drawing again under the same ones (another seed, size, guidance, number of
/// steps or of pictures) never runs the language model again.
///
/// A condition is found by everything that decided it: the text and the pictures of its branch, byte by byte. The model is
/// the one that owns the cache. The null condition, which nearly every request needs, is never dropped.
struct ConditionCache: Sendable {
    /// Beside models of gigabytes, 128 MiB are nothing; they hold some fifty conditions of 256 tokens in 2304 numbers
    /// each, fewer where the prompts have pictures.
    static let defaultByteLimit = 128 << 20

    private let conditions: BoundedCache<MetaQueryBranch, Tensor>

    init(byteLimit: Int = ConditionCache.defaultByteLimit) {
        conditions = BoundedCache(byteLimit: byteLimit) { $0.byteCount + 4 * $1.count + 1024 }
    }

    /// [1, queries, width]
    subscript(branch: MetaQueryBranch) -> Tensor? { conditions[branch] }

    func insert(_ condition: Tensor, for branch: MetaQueryBranch) {
        conditions.insert(condition, for: branch, isPinned: branch.isNull)
    }

    var count: Int { conditions.count }
}
