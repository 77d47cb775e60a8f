package import Checkpoints
package import Tensors

/// `y = x Wᵀ + b`, PyTorch's `nn.Linear`: `weight` [outputs, inputs], `bias` [outputs].
package struct Linear: Sendable {
    private let weight: LinearWeight

    package init(_ reader: ParameterReader, _ inputs: Int, _ outputs: Int, bias: Bool = true) {
        weight = LinearWeight(
            reader.tensor("weight", [outputs, inputs]),
            bias: bias ? reader.tensor("bias", [outputs]) : nil
        )
    }

    /// A layer that shares another's matrix, as a tied language-model head does with the embedding.
    package init(sharing table: StoredTensor) {
        weight = LinearWeight(table, bias: nil)
    }

    /// Layers of one width over one input that stand one below the other in `weight` [count × outputs, inputs] and `bias`
    /// [count × outputs]; nothing is copied.
    package static func stacked(_ weight: StoredTensor, bias: StoredTensor, count: Int) -> [Linear] {
        (0..<count).map { index in
            let rows = weight.shape[0] * index / count..<weight.shape[0] * (index + 1) / count
            return Linear(LinearWeight(weight.rows(rows), bias: bias.rows(rows)))
        }
    }

    private init(_ weight: LinearWeight) {
        self.weight = weight
    }

    /// [batch, rows, inputs] → [batch, rows, outputs]
    package func callAsFunction(_ x: Tensor, activation: Activation = .none, adding residual: Tensor? = nil) -> Tensor {
        x.linear(weight, activation: activation, adding: residual)
    }
}
