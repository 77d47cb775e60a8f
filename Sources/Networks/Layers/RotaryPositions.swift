/// Where the rows of a pass stand for rotary embedding: one position each, or, for M-RoPE (Qwen2-VL, arXiv 2409.12191),
/// a time, a row and a column.
///
/// A decoder that gets none counts its rows behind what its caches hold. They are given where a token's position is not
/// its place in the sequence: tokens of pictures, all that follows them, and rows that were padded in front.
package struct RotaryPositions: Sendable, Equatable {
    /// [axis][item][row]: one axis, or time, row and column.
    let axes: [[[Int]]]

    /// Sequences in a batch.
    package var items: Int { axes[0].count }
    /// Rows of every item.
    package var rows: Int { axes[0].first?.count ?? 0 }
    /// Whether there are three axes.
    package var isSpatial: Bool { axes.count == 3 }

    /// One position a row: [batch][rows].
    package init(_ positions: [[Int]]) {
        self.init(axes: [positions])
    }

    /// `rows` positions one by one from each item's start on.
    package init(starts: [Int], rows: Int) {
        self.init(starts.map { Array($0..<($0 + rows)) })
    }

    /// Three positions a row, [batch][rows] along each axis: transformers' `position_ids` of Qwen2-VL.
    package init(times: [[Int]], rows: [[Int]], columns: [[Int]]) {
        self.init(axes: [times, rows, columns])
    }

    private init(axes: [[[Int]]]) {
        let shape = axes[0].map(\.count)
        precondition(
            axes.allSatisfy { $0.map(\.count) == shape } && Set(shape).count <= 1,
            "positions of one shape along every axis"
        )
        self.axes = axes
    }

    /// Some rows of every item, as for a part of a long prompt.
    package subscript(rows: Range<Int>) -> RotaryPositions {
        RotaryPositions(axes: axes.map { axis in axis.map { Array($0[rows]) } })
    }
}
