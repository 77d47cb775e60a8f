extension Tensor {
    /// One row and one column of zeros at the bottom and the right, as diffusers' Downsample2D with padding 0 adds
    /// before its convolution: [b, h, w, c] → [b, h + 1, w + 1, c].
    package func paddedRightBottom() -> Tensor {
        precondition(shape.count == 4, "an image, not \(shape)")
        let (batch, height, line) = (shape[0], shape[1], shape[2] * shape[3])
        let result = Tensor.zeros([batch, height + 1, shape[2] + 1, shape[3]])
        withExtendedLifetime(storage) {
            for image in 0..<batch {
                for y in 0..<height {
                    let target = result.pointer + (image * (height + 1) + y) * (line + shape[3])
                    target.update(from: pointer + (image * height + y) * line, count: line)
                }
            }
        }
        return result
    }

    /// Every pixel twice in both directions: [b, h, w, c] → [b, 2h, 2w, c].
    package func upsampledNearest2x() -> Tensor {
        precondition(shape.count == 4, "an image, not \(shape)")
        let (batch, height, width, channels) = (shape[0], shape[1], shape[2], shape[3])
        let result = Tensor.uninitialized([batch, 2 * height, 2 * width, channels])
        let (source, target) = (UnsafePointer(pointer), result.pointer)
        withExtendedLifetime(storage) {
            ComputePool.shared.run(items: batch * height) { line in
                let first = target + line * 4 * width * channels
                for x in 0..<width {
                    let pixel = source + (line * width + x) * channels
                    (first + 2 * x * channels).update(from: pixel, count: channels)
                    (first + (2 * x + 1) * channels).update(from: pixel, count: channels)
                }
                (first + 2 * width * channels).update(from: first, count: 2 * width * channels)
            }
        }
        return result
    }
}
