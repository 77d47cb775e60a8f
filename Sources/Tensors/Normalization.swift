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

    /// Group normalisation (Wu and He, 2018) of [batch, …, channels], over all positions of one item and
    /// channels / groups neighbouring channels, then the activation.
    package func groupNormalized(
        groups: Int,
        weight: Tensor,
        bias: Tensor,
        epsilon: Float,
        activation: Activation = .none
    ) -> Tensor {
        let (batch, channels) = (shape[0], shape[shape.count - 1])
        precondition(channels % groups == 0, "\(groups) groups of \(channels) channels")
        precondition(weight.count == channels && bias.count == channels, "weight \(weight.shape) for \(shape)")
        let result = Tensor.uninitialized(shape)
        guard count > 0 else { return result }
        let positions = leadingStride / channels
        let positionsPerItem = max(1, Self.elementsPerItem / channels)
        let blocks = (positions + positionsPerItem - 1) / positionsPerItem
        func range(_ block: Int) -> Range<Int> {
            block * positionsPerItem..<min((block + 1) * positionsPerItem, positions)
        }
        let (source, target) = (UnsafePointer(pointer), result.pointer)
        let moments = UnsafeMutableBufferPointer<Double>.allocate(capacity: 2 * batch * blocks * groups)
        defer { moments.deallocate() }
        nonisolated(unsafe) let (means, deviations) = (
            moments.baseAddress.unsafelyUnwrapped, moments.baseAddress.unsafelyUnwrapped + batch * blocks * groups
        )
        withExtendedLifetime(storage) {
            ComputePool.shared.run(items: batch * blocks) { item in
                let range = range(item % blocks)
                withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * channels) { scratch in
                    Kernels.active.group_moments(
                        source + (item / blocks * positions + range.lowerBound) * channels,
                        range.count,
                        channels,
                        groups,
                        means + item * groups,
                        deviations + item * groups,
                        scratch.baseAddress.unsafelyUnwrapped
                    )
                }
            }
            let affine = Tensor.uninitialized([batch, 2, channels])
            for item in 0..<batch {
                for group in 0..<groups {
                    // Chan, Golub and LeVeque (1979): blocks are joined in one order, in double precision.
                    var (count, mean, deviation) = (0.0, 0.0, 0.0)
                    for block in 0..<blocks {
                        let index = (item * blocks + block) * groups + group
                        let added = Double(range(block).count * (channels / groups))
                        let delta = means[index] - mean
                        let total = count + added
                        deviation += deviations[index] + delta * delta * count * added / total
                        mean += delta * added / total
                        count = total
                    }
                    let inverse = 1 / (deviation / count + Double(epsilon)).squareRoot()
                    let rows = affine.pointer + item * 2 * channels
                    for channel in group * (channels / groups)..<(group + 1) * (channels / groups) {
                        let scale = Double(weight.pointer[channel]) * inverse
                        rows[channel] = Float(scale)
                        rows[channels + channel] = Float(Double(bias.pointer[channel]) - mean * scale)
                    }
                }
            }
            ComputePool.shared.run(items: batch * blocks) { item in
                let range = range(item % blocks)
                let rows = affine.pointer + item / blocks * 2 * channels
                let offset = (item / blocks * positions + range.lowerBound) * channels
                Kernels.active.scale_shift(
                    activation.kernelCode,
                    source + offset,
                    rows,
                    rows + channels,
                    target + offset,
                    range.count,
                    channels
                )
            }
        }
        return result
    }
}
