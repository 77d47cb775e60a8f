import CTriptychKernels

/// What adaptive norms (adaLN; Peebles and Xie, 2022) do to the rows of every item with numbers of its own.
extension Tensor {
    /// (x − mean) × rsqrt(variance + ε) × scale + shift over the last dimension of [batch, …, width], with scales and
    /// shifts [batch, width].
    package func layerNormalized(scales: Tensor, shifts: Tensor, epsilon: Float) -> Tensor {
        let (batch, width) = (shape[0], shape[shape.count - 1])
        precondition(
            scales.count == batch * width && shifts.count == batch * width,
            "scales \(scales.shape) for \(shape)"
        )
        let result = Tensor.uninitialized(shape)
        let (source, target) = (UnsafePointer(pointer), result.pointer)
        withExtendedLifetime((storage, scales.storage, shifts.storage)) {
            forEachRow { row, item, _ in
                Kernels.active.layer_norm(
                    source + row * width,
                    scales.pointer + item * width,
                    shifts.pointer + item * width,
                    target + row * width,
                    1,
                    width,
                    epsilon
                )
            }
        }
        return result
    }

    /// Adds factor × other at every position of [batch, …, width] in place, with factors [batch, width].
    package mutating func addScaled(_ other: Tensor, byRows factors: Tensor) {
        let (batch, width) = (shape[0], shape[shape.count - 1])
        precondition(other.count == count && factors.count == batch * width, "\(shape) += \(factors.shape) × …")
        makeUnique()
        let (source, target) = (UnsafePointer(other.pointer), pointer)
        withExtendedLifetime((storage, other.storage, factors.storage)) {
            forEachRow { row, item, scratch in
                let product = scratch.floats(width)
                Kernels.active.gate(
                    Activation.none.kernelCode,
                    factors.pointer + item * width,
                    source + row * width,
                    product,
                    width
                )
                Kernels.active.add(target + row * width, product, target + row * width, width)
            }
        }
    }

    /// Every row of [batch, …, width] with the item it belongs to.
    private func forEachRow(_ body: (_ row: Int, _ item: Int, _ scratch: Scratch) -> Void) {
        guard count > 0 else { return }
        let width = shape[shape.count - 1]
        let rowsOfItem = leadingStride / width
        let blocks = Blocks(of: count / width, atMost: max(1, Self.elementsPerItem / width))
        ComputePool.shared.run(items: blocks.count) { block, scratch in
            for row in blocks[block] { body(row, row / rowsOfItem, scratch) }
        }
    }
}
