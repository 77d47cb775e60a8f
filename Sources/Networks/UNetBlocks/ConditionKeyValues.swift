/// Keys and values of conditions in every cross-attention of a denoiser; a transformer without a UNet around it counts as
/// number 0.
///
/// They are the same at every denoise step, so that a run makes them once. An item is one condition; items may have
/// different numbers of tokens.
package struct ConditionKeyValues: Sendable {
    /// By transformer, then by transformer block.
    private let transformers: [[KeyValues]]
    /// The number of conditions.
    package let count: Int

    init(_ transformers: [[KeyValues]], count: Int) {
        self.transformers = transformers
        self.count = count
    }

    /// These conditions in this order, as often as they are named: one for every row of a batch. Nothing is copied.
    package func picking(_ items: [Int]) -> ConditionKeyValues {
        let picked = transformers.map { blocks in
            blocks.map { block in
                KeyValues(keys: items.map { block.keys[$0] }, values: items.map { block.values[$0] })
            }
        }
        return ConditionKeyValues(picked, count: items.count)
    }

    /// Of the transformer that was built as number `index`: one a block.
    subscript(transformer index: Int) -> [KeyValues] { transformers[index] }
}
