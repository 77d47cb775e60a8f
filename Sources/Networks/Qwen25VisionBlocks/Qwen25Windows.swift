import Tensors

/// How the windows of one picture or video are attended: in an order in which every window is one run of rows.
///
/// What moves are units of mergeSize × mergeSize patches, which lie one behind the other from the image processor on. A
/// window is a square of units of one frame, cut off at the right and lower border (transformers' `get_window_index`).
struct Qwen25Windows: Sendable {
    /// The unit at every place of the order: frame by frame, window by window, row by row.
    let order: [Int]
    /// The place of every unit.
    let places: [Int]
    /// Patches of each window.
    let lengths: [Int]

    /// - Parameter grid: of patches
    init(_ grid: PatchGrid, _ config: Qwen25VisionConfig) {
        let units = grid.merged(by: config.mergeSize)
        let side = config.unitsPerWindowSide
        let patchesPerUnit = config.mergeSize * config.mergeSize
        var order: [Int] = []
        var lengths: [Int] = []
        order.reserveCapacity(units.patches)
        for frame in 0..<units.frames {
            for top in stride(from: 0, to: units.rows, by: side) {
                let rows = top..<min(top + side, units.rows)
                for left in stride(from: 0, to: units.columns, by: side) {
                    let columns = left..<min(left + side, units.columns)
                    for row in rows {
                        let start = (frame * units.rows + row) * units.columns
                        order += (start + columns.lowerBound)..<(start + columns.upperBound)
                    }
                    lengths.append(rows.count * columns.count * patchesPerUnit)
                }
            }
        }
        var places = [Int](repeating: 0, count: order.count)
        for (place, unit) in order.enumerated() { places[unit] = place }
        self.order = order
        self.places = places
        self.lengths = lengths
    }
}

/// Neighbouring segments of one length, which are attended together; the rows of a segment see each other and nothing
/// else.
struct SegmentRun: Sendable, Equatable {
    /// The first segment's first row.
    var start: Int
    /// Rows of each segment.
    var length: Int
    /// Segments.
    var count: Int

    /// Segments of these lengths, one behind the other.
    static func runs(of lengths: [Int]) -> [SegmentRun] {
        var runs: [SegmentRun] = []
        var start = 0
        for length in lengths {
            if let last = runs.last, last.length == length {
                runs[runs.count - 1].count += 1
            } else {
                runs.append(SegmentRun(start: start, length: length, count: 1))
            }
            start += length
        }
        return runs
    }
}

extension Tensor {
    /// The leading dimension's entries in another order, as a copy.
    func reordered(_ order: [Int]) -> Tensor {
        let rows = reshaped([shape[0], count / shape[0]])
        return Tensor.embedding(StoredTensor(name: "rows", rows), ids: order)
            .reshaped([order.count] + shape.dropFirst())
    }
}
