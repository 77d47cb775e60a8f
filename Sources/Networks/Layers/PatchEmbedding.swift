package import Checkpoints
package import Tensors

/// Pictures as rows of patches (arXiv 2010.11929): a convolution whose stride is its kernel, computed as one matrix
/// product. `weight` [outputs, channels, patch, patch], `bias` [outputs] where there is one.
package struct PatchEmbedding: Sendable {
    private let patchSize: Int
    private let weight: LinearWeight

    package init(_ reader: ParameterReader, channels: Int, patchSize: Int, _ outputs: Int, bias: Bool = true) {
        self.patchSize = patchSize
        // Patches are gathered channels last, so the kernel is turned to that order once.
        let kernel = reader.tensor("weight", [outputs, channels, patchSize, patchSize]).tensor().permuted([0, 2, 3, 1])
        weight = LinearWeight(
            kernel.reshaped([kernel.shape[0], kernel.count / kernel.shape[0]]),
            bias: bias ? reader.tensor("bias", [outputs]).tensor() : nil
        )
    }

    /// [batch, height, width, channels] → [batch, patches, outputs], row by row; what lies behind the last whole patch of
    /// a side is not seen. `residual` has the shape of the result.
    package func callAsFunction(_ pictures: Tensor, adding residual: Tensor? = nil) -> Tensor {
        let (batch, channels) = (pictures.shape[0], pictures.shape[3])
        let (rows, columns) = (pictures.shape[1] / patchSize, pictures.shape[2] / patchSize)
        let patches =
            whole(pictures, height: rows * patchSize, width: columns * patchSize)
            .reshaped([batch, rows, patchSize, columns, patchSize, channels])
            .permuted([0, 1, 3, 2, 4, 5])  // [batch, row, column, y, x, channel]
            .reshaped([batch, rows * columns, patchSize * patchSize * channels])
        return patches.linear(weight, adding: residual)
    }

    private func whole(_ pictures: Tensor, height: Int, width: Int) -> Tensor {
        guard pictures.shape[1] != height || pictures.shape[2] != width else { return pictures }
        return pictures.cropped(rows: 0..<height, columns: 0..<width)
    }
}
