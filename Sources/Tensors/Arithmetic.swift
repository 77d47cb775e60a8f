import CTriptychKernels

extension Tensor {
    /// Elements that one work item of an elementwise operation covers: 64 KiB, so that small tensors stay on one thread.
    static let elementsPerItem = 16_384

    func elementwise(
        _ body: (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
    ) -> Tensor {
        let result = Tensor.uninitialized(shape)
        let (source, target) = (UnsafePointer(pointer), result.pointer)
        forEachRange { body(source + $0.lowerBound, target + $0.lowerBound, $0.count) }
        return result
    }

    func elementwise(
        with other: Tensor,
        _ body: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
    ) -> Tensor {
        let result = Tensor.uninitialized(shape)
        let (source, second, target) = (UnsafePointer(pointer), UnsafePointer(other.pointer), result.pointer)
        withExtendedLifetime(other.storage) {
            forEachRange {
                body(source + $0.lowerBound, second + $0.lowerBound, target + $0.lowerBound, $0.count)
            }
        }
        return result
    }

    private func forEachRange(_ body: (Range<Int>) -> Void) {
        let items = (count + Self.elementsPerItem - 1) / Self.elementsPerItem
        withExtendedLifetime(storage) {
            ComputePool.shared.run(items: items) { item in
                let start = item * Self.elementsPerItem
                body(start..<min(start + Self.elementsPerItem, count))
            }
        }
    }

    /// The elementwise sum of two tensors of one shape.
    package static func + (left: Tensor, right: Tensor) -> Tensor {
        precondition(left.count == right.count, "\(left.shape) + \(right.shape)")
        return left.elementwise(with: right) { Kernels.active.add($0, $1, $2, $3) }
    }

    /// Adds a tensor of the same shape in place.
    package static func += (left: inout Tensor, right: Tensor) { left.addScaled(right, by: 1) }

    /// Every element times `factor`.
    package func scaled(by factor: Float) -> Tensor {
        elementwise { Kernels.active.scale($0, factor, $1, $2) }
    }

    /// self += factor × other, in place.
    package mutating func addScaled(_ other: Tensor, by factor: Float) {
        precondition(other.count == count, "\(shape) += \(other.shape)")
        makeUnique()
        let (source, target) = (UnsafePointer(other.pointer), pointer)
        withExtendedLifetime(other.storage) {
            forEachRange {
                Kernels.active.add_scaled(source + $0.lowerBound, factor, target + $0.lowerBound, $0.count)
            }
        }
    }

    /// Adds row b of `row` [batch, width] at every position of item b of this tensor [batch, …, width].
    package func addedToRows(_ row: Tensor) -> Tensor {
        let (batch, width) = (shape[0], shape[shape.count - 1])
        precondition(row.count == batch * width, "row \(row.shape) for \(shape)")
        let positions = leadingStride / width
        let result = Tensor.uninitialized(shape)
        guard count > 0 else { return result }
        let blocks = Blocks(of: batch * positions, atMost: max(1, Self.elementsPerItem / width))
        let (source, rows, target) = (UnsafePointer(pointer), UnsafePointer(row.pointer), result.pointer)
        withExtendedLifetime((storage, row.storage)) {
            ComputePool.shared.run(items: blocks.count) { block in
                for position in blocks[block] {
                    Kernels.active.add(
                        source + position * width,
                        rows + position / positions * width,
                        target + position * width,
                        width
                    )
                }
            }
        }
        return result
    }
}
