import Foundation

/// The grids of tiles that a picture of any size may be cut into, each tile as large as a vision tower sees it
/// (LLaVA-NeXT, LLaVA-OneVision: arXiv 2408.03326, section 3.2): `image_grid_pinpoints`.
package struct AnyResolution: Sendable, Equatable {
    /// Tiles of a picture.
    package struct Grid: Sendable, Equatable {
        package var rows: Int
        package var columns: Int

        package init(rows: Int, columns: Int) {
            self.rows = rows
            self.columns = columns
        }
    }

    /// Pixels a side of a tile.
    package let tileSize: Int
    package let grids: [Grid]

    /// Tiles a side: far above any real number, and small enough that sizes in pixels can't overflow.
    private static let tilesPerSide = 1...64

    /// - Parameter pinpoints: pairs of height and width in pixels
    /// - Returns: nil where there are none, or where one is not made of tiles
    package init?(pinpoints: [[Int]], tileSize: Int) {
        guard tileSize > 0, !pinpoints.isEmpty else { return nil }
        var grids: [Grid] = []
        for pinpoint in pinpoints {
            guard pinpoint.count == 2, pinpoint.allSatisfy({ $0.isMultiple(of: tileSize) }) else { return nil }
            let grid = Grid(rows: pinpoint[0] / tileSize, columns: pinpoint[1] / tileSize)
            guard Self.tilesPerSide.contains(grid.rows), Self.tilesPerSide.contains(grid.columns) else { return nil }
            grids.append(grid)
        }
        self.tileSize = tileSize
        self.grids = grids
    }

    /// The grid that keeps most of a picture's pixels and then wastes fewest of its own; the first of equal ones.
    package func grid(height: Int, width: Int) -> Grid {
        var best = grids[0]
        var (kept, wasted) = (0, Int.max)
        for grid in grids {
            let (gridHeight, gridWidth) = (grid.rows * tileSize, grid.columns * tileSize)
            let scale = min(Double(gridWidth) / Double(width), Double(gridHeight) / Double(height))
            let scaled = Int(Double(width) * scale) * Int(Double(height) * scale)
            let keeps = min(scaled, width * height)
            let wastes = gridWidth * gridHeight - keeps
            if keeps > kept || keeps == kept && wastes < wasted { (best, kept, wasted) = (grid, keeps, wastes) }
        }
        return best
    }

    /// The size to which a picture is brought, its shape kept, to lie in the middle of a grid of its own.
    package func fittedSize(height: Int, width: Int, in grid: Grid) -> (height: Int, width: Int) {
        let (gridHeight, gridWidth) = (grid.rows * tileSize, grid.columns * tileSize)
        let (byWidth, byHeight) = (Double(gridWidth) / Double(width), Double(gridHeight) / Double(height))
        if byWidth < byHeight {
            return (min(Int((Double(height) * byWidth).rounded(.up)), gridHeight), gridWidth)
        }
        return (gridHeight, min(Int((Double(width) * byHeight).rounded(.up)), gridWidth))
    }
}

/// What remains of a grid of tiles' features once those of the borders around the picture are gone
/// (`unpad_image`, `pack_image_features` in transformers).
package struct UnpaddedFeatures: Sendable, Equatable {
    /// Of the grid's features, those that show the picture.
    let rows: Range<Int>
    let columns: Range<Int>
    /// How many there are after all.
    let height: Int
    let width: Int

    /// - Parameters:
    ///   - height: of the picture in pixels
    ///   - side: features a side of a tile
    ///   - limit: tiles' worth of features from which on there are fewer; nil keeps all
    init(height: Int, width: Int, in grid: AnyResolution.Grid, side: Int, limit: Int?) {
        let (gridHeight, gridWidth) = (grid.rows * side, grid.columns * side)
        var (borderAbove, borderLeft) = (0, 0)
        if Double(width) / Double(height) > Double(gridWidth) / Double(gridHeight) {
            borderAbove = (gridHeight - Self.whole(Double(height) * (Double(gridWidth) / Double(width)))) / 2
        } else {
            borderLeft = (gridWidth - Self.whole(Double(width) * (Double(gridHeight) / Double(height)))) / 2
        }
        rows = borderAbove..<(gridHeight - borderAbove)
        columns = borderLeft..<(gridWidth - borderLeft)
        var (height, width) = (rows.count, columns.count)
        if let limit {
            let ratio = (Double(height * width) / Double(limit * side * side)).squareRoot()
            if ratio > 1.1 {
                height = Int(Self.quotient(Double(height), ratio))
                width = Int(Self.quotient(Double(width), ratio))
            }
        }
        self.height = height
        self.width = width
    }

    var isReduced: Bool { height != rows.count || width != columns.count }

    /// Python's `int(round(x, 7))`: what lies within rounding errors below a whole number counts as it.
    private static func whole(_ x: Double) -> Int { Int((x * 1e7).rounded(.toNearestOrEven) / 1e7) }

    /// Python's `//` of floating-point numbers, which takes the remainder first.
    private static func quotient(_ x: Double, _ y: Double) -> Double { ((x - fmod(x, y)) / y).rounded() }
}
