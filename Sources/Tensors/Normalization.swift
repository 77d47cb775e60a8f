import CTriptychKernels

extension Tensor {
    /// x × rsqrt(mean(x²) + ε) × weight over the last dimension (Zhang and Sennrich, 2019).
    package func rmsNormalized(weight: Tensor, epsilon: Float) -> Tensor {
        let width = shape[shape.count - 1]
        precondition(weight.count == width, "weight \(weight.shape) for \(shape)")
        return rowwise { source, target, rows in
            withExtendedLifetime(weight.storage) {
                Kernels.active.rms_norm(source, weight.pointer, target, rows, width, epsilon)
            }
        }
    }

    /// (x − mean) × rsqrt(variance + ε) × weight + bias over the last dimension (Ba, Kiros and Hinton, 2016).
    package func layerNormalized(weight: Tensor?, bias: Tensor?, epsilon: Float) -> Tensor {
        let width = shape[shape.count - 1]
        precondition(weight.map { $0.count == width } ?? true, "weight for \(shape)")
        precondition(bias.map { $0.count == width } ?? true, "bias for \(shape)")
        return rowwise { source, target, rows in
            withExtendedLifetime((weight, bias)) {
                Kernels.active.layer_norm(source, weight?.pointer, bias?.pointer, target, rows, width, epsilon)
            }
        }
    }

    /// Calls `body` with blocks of whole rows.
    func rowwise(_ body: (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void) -> Tensor {
        let width = shape[shape.count - 1]
        let result = Tensor.uninitialized(shape)
        guard count > 0 else { return result }
        let rows = count / width
        let rowsPerItem = max(1, Self.elementsPerItem / width)
        let (source, target) = (UnsafePointer(pointer), result.pointer)
        withExtendedLifetime(storage) {
            ComputePool.shared.run(items: (rows + rowsPerItem - 1) / rowsPerItem) { item in
                let start = item * rowsPerItem
                body(source + start * width, target + start * width, min(rowsPerItem, rows - start))
            }
        }
        return result
    }
}
