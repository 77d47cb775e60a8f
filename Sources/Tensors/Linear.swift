import CTriptychKernels

/// The weight of a linear layer, [out, in] as PyTorch stores it, with an optional bias [out].
package struct LinearWeight: Sendable {
    let matrix: StoredTensor
    let bias: Tensor?

    /// The matrix stays in its stored dtype and place; only the bias is widened.
    package init(_ stored: StoredTensor, bias: StoredTensor?) {
        precondition(stored.shape.count == 2, "\(stored.name) has shape \(stored.shape)")
        matrix = stored
        self.bias = bias?.tensor()
        precondition(self.bias.map { $0.count == stored.shape[0] } ?? true, "\(stored.name): bias of another width")
    }

    /// A float32 weight.
    package init(_ tensor: Tensor, bias: Tensor?) {
        matrix = StoredTensor(name: "weight", tensor)
        self.bias = bias
    }

    /// The number of features that come out.
    package var outputWidth: Int { matrix.shape[0] }
    /// The number of features that go in.
    package var inputWidth: Int { matrix.shape[1] }
}

extension Tensor {
    /// activation(x · Wᵀ + bias) + residual: [batch, rows, in] → [batch, rows, out]; [rows, in] counts as one item.
    package func linear(
        _ weight: LinearWeight,
        activation: Activation = .none,
        adding residual: Tensor? = nil
    ) -> Tensor {
        let depth = weight.inputWidth
        precondition(shape[shape.count - 1] == depth, "\(weight.matrix.name) \(weight.matrix.shape) for \(shape)")
        let result = Tensor.uninitialized(shape.dropLast() + [weight.outputWidth])
        precondition(residual.map { $0.count == result.count } ?? true, "residual for \(result.shape)")
        guard result.count > 0 else { return result }
        let product = LinearProduct(
            source: pointer,
            rowsOfItem: shape.count == 2 ? shape[0] : shape[1..<shape.count - 1].reduce(1, *),
            rows: count / depth,
            weight: weight,
            finish: Finish(activation: activation, bias: weight.bias, residual: residual),
            target: result.pointer
        )
        withExtendedLifetime((storage, residual, weight)) { product.compute() }
        return result
    }
}

/// What follows a matrix product while its output is still in the cache: f(y + bias) + residual.
struct Finish {
    let activation: Activation
    let bias: Tensor?
    let residual: Tensor?

    /// Finishes `rows` × `columns` values of an output of `width` columns, from element `offset` on.
    func apply(to target: UnsafeMutablePointer<Float>, offset: Int, width: Int, rows: Int, columns: Int) {
        Kernels.active.finish_rows(
            activation.kernelCode,
            bias.map { $0.pointer + offset % width },
            residual.map { $0.pointer + offset },
            width,
            target + offset,
            width,
            rows,
            columns
        )
    }
}
