import CTriptychKernels

/// A group normalisation (Wu and He, 2018) whose moments are known: activation(x × scale + shift) with a scale and a
/// shift for every channel of every item. Convolutions apply it while they read their input, which saves a copy.
package struct GroupNormalization: Sendable {
    /// [batch, channels]
    let scales: Tensor
    /// [batch, channels]
    let shifts: Tensor
    let activation: Activation

    /// Applies it to `positions` × `channels` values of one item, of which the first is channel `channel`.
    func apply(
        to source: UnsafePointer<Float>,
        stride: Int,
        item: Int,
        channel: Int,
        into target: UnsafeMutablePointer<Float>,
        targetStride: Int,
        positions: Int,
        channels: Int
    ) {
        let offset = item * scales.shape[1] + channel
        Kernels.active.scale_shift(
            activation.kernelCode,
            source,
            stride,
            scales.pointer + offset,
            shifts.pointer + offset,
            target,
            targetStride,
            positions,
            channels
        )
    }
}

extension Tensor {
    /// Group normalisation of [batch, …, channels] over all positions of one item and channels / groups neighbouring
    /// channels, then the activation.
    package func groupNormalized(
        groups: Int,
        weight: Tensor,
        bias: Tensor,
        epsilon: Float,
        activation: Activation = .none
    ) -> Tensor {
        let result = Tensor.uninitialized(shape)
        guard count > 0 else { return result }
        let normalization = groupNormalization(
            groups: groups,
            weight: weight,
            bias: bias,
            epsilon: epsilon,
            activation: activation
        )
        let blocks = PositionBlocks(self)
        let (source, target) = (UnsafePointer(pointer), result.pointer)
        withExtendedLifetime(storage) {
            ComputePool.shared.run(items: blocks.count) { index in
                normalization.apply(
                    to: source + blocks.offset(index),
                    stride: blocks.channels,
                    item: blocks.item(index),
                    channel: 0,
                    into: target + blocks.offset(index),
                    targetStride: blocks.channels,
                    positions: blocks.range(index).count,
                    channels: blocks.channels
                )
            }
        }
        return result
    }

    /// The same, up to the moments: to be applied by the convolution that follows.
    package func groupNormalization(
        groups: Int,
        weight: Tensor,
        bias: Tensor,
        epsilon: Float,
        activation: Activation = .none
    ) -> GroupNormalization {
        let (batch, channels) = (shape[0], shape[shape.count - 1])
        precondition(channels % groups == 0, "\(groups) groups of \(channels) channels")
        precondition(weight.count == channels && bias.count == channels, "weight \(weight.shape) for \(shape)")
        precondition(count > 0, "no values in \(shape)")
        let blocks = PositionBlocks(self)
        let scales = Tensor.uninitialized([batch, channels])
        let shifts = Tensor.uninitialized([batch, channels])
        withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 * blocks.count * groups) { moments in
            nonisolated(unsafe) let means = moments.baseAddress.unsafelyUnwrapped  // each item writes its own part
            nonisolated(unsafe) let deviations = means + blocks.count * groups
            ComputePool.shared.run(items: blocks.count) { index, scratch in
                Kernels.active.group_moments(
                    pointer + blocks.offset(index),
                    blocks.range(index).count,
                    channels,
                    groups,
                    means + index * groups,
                    deviations + index * groups,
                    scratch.floats(2 * channels)
                )
            }
            for item in 0..<batch {
                for group in 0..<groups {
                    // Chan, Golub and LeVeque (1979): blocks are joined in one order, in double precision.
                    var (count, mean, deviation) = (0.0, 0.0, 0.0)
                    for block in item * blocks.perItem..<(item + 1) * blocks.perItem {
                        let added = Double(blocks.range(block).count * (channels / groups))
                        let delta = means[block * groups + group] - mean
                        let total = count + added
                        deviation += deviations[block * groups + group] + delta * delta * count * added / total
                        mean += delta * added / total
                        count = total
                    }
                    let inverse = 1 / (deviation / count + Double(epsilon)).squareRoot()
                    for channel in group * (channels / groups)..<(group + 1) * (channels / groups) {
                        let scale = Double(weight.pointer[channel]) * inverse
                        scales.pointer[item * channels + channel] = Float(scale)
                        shifts.pointer[item * channels + channel] = Float(
                            Double(bias.pointer[channel]) - mean * scale
                        )
                    }
                }
            }
        }
        return GroupNormalization(scales: scales, shifts: shifts, activation: activation)
    }
}

/// Positions of [batch, …, channels] in blocks of 64 KiB, which stay in the cache between the two passes over them.
private struct PositionBlocks {
    let channels: Int
    let positions: Int
    let perItem: Int
    let count: Int
    private let size: Int

    init(_ tensor: Tensor) {
        channels = tensor.shape[tensor.shape.count - 1]
        positions = tensor.leadingStride / channels
        size = max(1, Tensor.elementsPerItem / channels)
        perItem = (positions + size - 1) / size
        count = tensor.shape[0] * perItem
    }

    func item(_ index: Int) -> Int { index / perItem }

    /// Positions within the item.
    func range(_ index: Int) -> Range<Int> {
        let first = index % perItem * size
        return first..<min(first + size, positions)
    }

    /// The block's first element.
    func offset(_ index: Int) -> Int { (item(index) * positions + range(index).lowerBound) * channels }
}
