package import Checkpoints
package import Tensors

/// One row a token: `weight` [tokens, width].
package struct Embedding: Sendable {
    package let table: StoredTensor

    package init(_ reader: ParameterReader, count: Int, width: Int) {
        table = reader.tensor("weight", [count, width])
    }

    /// [batch][rows] ids below the table's count → [batch, rows, width]; the items of a batch have one length.
    package func callAsFunction(_ ids: [[Int]]) -> Tensor {
        Tensor.embedding(table, ids: ids.flatMap { $0 })
            .reshaped([ids.count, ids[0].count, table.shape[1]])
    }
}
