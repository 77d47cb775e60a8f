import Checkpoints
import Tensors

/// How MetaMorph makes a fixed number of visual tokens of a picture's patches: bilinear interpolation of their grid to a
/// smaller one, then, where the config says so, every token at length 1 (`siglip_encoder.py`).
struct VisualTokenReduction: Sendable, Equatable {
    /// Tokens a side.
    let gridSize: Int
    let isNormalized: Bool

    /// Nil where so many tokens make no square.
    init?(tokens: Int, isNormalized: Bool) {
        guard ClosedRange.networkSize.contains(tokens) else { return nil }
        gridSize = Int(Double(tokens).squareRoot())
        guard gridSize * gridSize == tokens else { return nil }
        self.isNormalized = isNormalized
    }

    var tokens: Int { gridSize * gridSize }

    /// [batch, patches, width] of square grids → [batch, tokens, width]
    func callAsFunction(_ patches: Tensor) -> Tensor {
        let (batch, width) = (patches.shape[0], patches.shape[2])
        let side = Int(Double(patches.shape[1]).squareRoot())
        precondition(side * side == patches.shape[1], "\(patches.shape[1]) patches are no square")
        let reduced =
            side == gridSize
            ? patches
            : patches.reshaped([batch, side, side, width])
                .interpolatedBilinear(height: gridSize, width: gridSize)
                .reshaped([batch, tokens, width])
        return isNormalized ? reduced.l2Normalized() : reduced
    }
}
