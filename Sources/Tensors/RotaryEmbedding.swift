import CTriptychKernels

extension Tensor {
    /// Rotary position embedding (Su et al., 2021) in the half-split layout ("rotate_half") on
    /// [batch, rows, heads × headWidth]; `cosines` and `sines` are [batch, rows, headWidth / 2], or one item for all.
    package func rotated(cosines: Tensor, sines: Tensor, heads: Int) -> Tensor {
        let width = shape[shape.count - 1]
        precondition(width % (2 * heads) == 0, "\(heads) heads of even width in \(shape)")
        let half = width / heads / 2
        precondition(
            cosines.count == sines.count && cosines.count > 0 && (count / width * half) % cosines.count == 0,
            "angles \(cosines.shape) for \(shape)"
        )
        let angleRows = cosines.count / half
        let result = Tensor.uninitialized(shape)
        guard count > 0 else { return result }
        let rows = count / width
        let rowsPerItem = max(1, Self.elementsPerItem / width)
        let (source, target) = (UnsafePointer(pointer), result.pointer)
        let (cosine, sine) = (UnsafePointer(cosines.pointer), UnsafePointer(sines.pointer))
        withExtendedLifetime((storage, cosines, sines)) {
            ComputePool.shared.run(items: (rows + rowsPerItem - 1) / rowsPerItem) { item in
                for row in item * rowsPerItem..<min((item + 1) * rowsPerItem, rows) {
                    let angles = row % angleRows * half
                    Kernels.active.rotate(
                        source + row * width,
                        cosine + angles,
                        sine + angles,
                        target + row * width,
                        heads,
                        2 * half
                    )
                }
            }
        }
        return result
    }
}
