import CTriptychKernels

extension Tensor {
    /// Every picture at another size by bilinear interpolation, as `torch.nn.functional.interpolate` does it with
    /// `align_corners` false and no antialiasing: [batch, h, w, c] → [batch, height, width, c].
    package func interpolatedBilinear(height: Int, width: Int) -> Tensor {
        precondition(shape.count == 4, "an image, not \(shape)")
        let (batch, channels) = (shape[0], shape[3])
        let rows = InterpolationPoint.points(from: shape[1], to: height)
        let columns = InterpolationPoint.points(from: shape[2], to: width)
        let result = Tensor.uninitialized([batch, height, width, channels])
        guard result.count > 0 else { return result }
        let (line, picture) = (shape[2] * channels, leadingStride)
        let (source, target) = (UnsafePointer(pointer), result.pointer)
        withExtendedLifetime(storage) {
            ComputePool.shared.run(items: batch * height) { item in
                let row = rows[item % height]
                let first = source + item / height * picture + row.first * line
                let second = source + item / height * picture + row.second * line
                for (index, column) in columns.enumerated() {
                    let pixel = target + (item * width + index) * channels
                    let (left, right) = (column.first * channels, column.second * channels)
                    let kernels = Kernels.active
                    kernels.scale(first + left, (1 - row.share) * (1 - column.share), pixel, channels)
                    kernels.add_scaled(first + right, (1 - row.share) * column.share, pixel, channels)
                    kernels.add_scaled(second + left, row.share * (1 - column.share), pixel, channels)
                    kernels.add_scaled(second + right, row.share * column.share, pixel, channels)
                }
            }
        }
        return result
    }
}

/// Where one coordinate of the result lies between two of the source.
private struct InterpolationPoint {
    let first: Int
    let second: Int
    /// How much the second one counts, from 0 to 1.
    let share: Float

    /// Pixel centres of `length` source pixels under those of `count` others, in float32 as PyTorch computes them.
    static func points(from length: Int, to count: Int) -> [InterpolationPoint] {
        let scale = Float(length) / Float(count)
        return (0..<count).map { index in
            let position = max(0, scale * (Float(index) + 0.5) - 0.5)
            let first = min(Int(position), length - 1)
            return InterpolationPoint(first: first, second: min(first + 1, length - 1), share: position - Float(first))
        }
    }
}
