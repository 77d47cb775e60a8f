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

    /// activation(rmsNormalized + bias) + residual, in place where nobody shares this tensor's memory.
    package mutating func normalizeRMS(
        weight: Tensor,
        bias: Tensor,
        epsilon: Float,
        activation: Activation = .none,
        adding residual: Tensor? = nil
    ) {
        let width = shape[shape.count - 1]
        precondition(weight.count == width && bias.count == width, "weight \(weight.shape) for \(shape)")
        let finish = Finish(activation: activation, bias: bias, residual: residual)
        changeRows(finish) { row, rows in
            Kernels.active.rms_norm(row, weight.pointer, row, rows, width, epsilon)
        }
        withExtendedLifetime(weight.storage) {}
    }

    /// x × scale + shift with one of each a channel, then residual, in place where nobody shares this tensor's memory: a
    /// batch norm with the moments of its training.
    package mutating func scaleChannels(by scales: Tensor, shift: Tensor, adding residual: Tensor? = nil) {
        let width = shape[shape.count - 1]
        precondition(scales.count == width && shift.count == width, "scales \(scales.shape) for \(shape)")
        changeRows(Finish(activation: .none, bias: nil, residual: residual)) { row, rows in
            Kernels.active.scale_shift(
                Activation.none.kernelCode,
                row,
                width,
                scales.pointer,
                shift.pointer,
                row,
                width,
                rows,
                width
            )
        }
        withExtendedLifetime((scales.storage, shift.storage)) {}
    }

    /// Changes blocks of whole rows in place and finishes them while they are in the cache.
    private mutating func changeRows(_ finish: Finish, _ body: (UnsafeMutablePointer<Float>, Int) -> Void) {
        precondition(finish.residual.map { $0.count == count } ?? true, "residual for \(shape)")
        guard count > 0 else { return }
        makeUnique()
        let width = shape[shape.count - 1]
        let blocks = Blocks(of: count / width, atMost: max(1, Self.elementsPerItem / width))
        let target = pointer
        withExtendedLifetime((storage, finish)) {
            ComputePool.shared.run(items: blocks.count) { block in
                let rows = blocks[block]
                body(target + rows.lowerBound * width, rows.count)
                finish.apply(
                    to: target,
                    offset: rows.lowerBound * width,
                    width: width,
                    rows: rows.count,
                    columns: width
                )
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
