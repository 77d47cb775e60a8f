import CTriptychKernels

extension Tensor {
    /// RMS normalisation of every head for itself: [batch, rows, heads × headWidth], with a `weight` of
    /// [heads, headWidth].
    package func rmsNormalizedHeads(weight: Tensor, epsilon: Float) -> Tensor {
        precondition(weight.shape.count == 2 && weight.count == shape[shape.count - 1], "\(weight.shape) for \(shape)")
        let (heads, headWidth) = (weight.shape[0], weight.shape[1])
        return rowwise { source, target, rows in
            withExtendedLifetime(weight.storage) {
                for row in 0..<rows {
                    for head in 0..<heads {
                        let offset = row * heads * headWidth + head * headWidth
                        Kernels.active.rms_norm(
                            source + offset,
                            weight.pointer + head * headWidth,
                            target + offset,
                            1,
                            headWidth,
                            epsilon
                        )
                    }
                }
            }
        }
    }
}
