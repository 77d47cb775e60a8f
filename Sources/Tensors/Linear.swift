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
        _ weight: LinearWeight, activation: Activation = .none, adding residual: Tensor? = nil
    ) -> Tensor {
        let (depth, outputs) = (weight.inputWidth, weight.outputWidth)
        precondition(shape[shape.count - 1] == depth, "\(weight.matrix.name) \(weight.matrix.shape) for \(shape)")
        let result = Tensor.uninitialized(shape.dropLast() + [outputs])
        precondition(residual.map { $0.count == result.count } ?? true, "residual for \(result.shape)")
        guard result.count > 0 else { return result }
        let rows = count / depth
        let outputsPerItem = 64
        let (source, target) = (UnsafePointer(pointer), result.pointer)
        withExtendedLifetime((storage, residual, weight)) {
            weight.matrix.withBytes { matrix in
                ComputePool.shared.run(items: (outputs + outputsPerItem - 1) / outputsPerItem) { item in
                    let start = item * outputsPerItem
                    let columns = min(outputsPerItem, outputs - start)
                    Kernels.active.dot_rows(
                        source, depth, rows, weight.matrix.kernelCode,
                        matrix + start * depth * weight.matrix.dtype.byteCount, depth, columns, depth,
                        target + start, outputs)
                    Kernels.active.finish_rows(
                        activation.kernelCode, weight.bias.map { $0.pointer + start },
                        residual.map { $0.pointer + start }, outputs, target + start, outputs, rows, columns)
                }
            }
        }
        return result
    }
}
