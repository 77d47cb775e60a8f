import Foundation
import Tensors

/// Rotary positions in two dimensions: the first half of a head's pairs turns with a patch's row, the second half with
/// its column, both with the same frequencies. Time does not count.
struct Qwen25VisionRotary: Sendable {
    /// `Qwen2_5_VisionRotaryEmbedding`, which no config names.
    private static let theta: Float = 10000

    /// Radians a position, one for each pair of a half; float32 as transformers keeps them.
    private let frequencies: [Float]
    private let mergeSize: Int

    init(_ config: Qwen25VisionConfig) {
        let width = config.headWidth / 2
        frequencies = stride(from: 0, to: width, by: 2).map { component in
            1 / pow(Self.theta, Float(component) / Float(width))
        }
        mergeSize = config.mergeSize
    }

    /// For the patches of units in this order: [1, patches, headWidth / 2] each.
    /// - Parameters:
    ///   - order: the units, each of which brings its patches row by row
    ///   - grid: of patches
    func callAsFunction(_ order: [Int], _ grid: PatchGrid) -> (cosines: Tensor, sines: Tensor) {
        let positions = 0..<max(grid.rows, grid.columns)
        let cosine = positions.map { position in frequencies.map { cos(Float(position) * $0) } }
        let sine = positions.map { position in frequencies.map { sin(Float(position) * $0) } }
        let units = grid.merged(by: mergeSize)
        var cosines: [Float] = []
        var sines: [Float] = []
        cosines.reserveCapacity(grid.patches * 2 * frequencies.count)
        sines.reserveCapacity(grid.patches * 2 * frequencies.count)
        for unit in order {
            let place = unit % units.patchesPerFrame
            let (top, left) = (place / units.columns * mergeSize, place % units.columns * mergeSize)
            for row in top..<(top + mergeSize) {
                for column in left..<(left + mergeSize) {
                    cosines += cosine[row]
                    cosines += cosine[column]
                    sines += sine[row]
                    sines += sine[column]
                }
            }
        }
        let shape = [1, grid.patches, 2 * frequencies.count]
        return (Tensor(cosines, shape: shape), Tensor(sines, shape: shape))
    }
}
