import CTriptychKernels

/// An even partition of a dimension into blocks.
struct Blocks {
    let total: Int
    /// Length of every block but the last, which may be shorter.
    let size: Int
    let count: Int

    /// As few blocks as `limit` allows, of nearly equal length, a multiple of `grain` where that keeps to the limit.
    init(of total: Int, atMost limit: Int, grain: Int = 1) {
        self.total = total
        let fewest = max(1, (total + limit - 1) / limit)
        let even = (total + fewest - 1) / fewest
        size = max(1, min((even + grain - 1) / grain * grain, max(limit, even)))
        count = max(1, (total + size - 1) / size)
    }

    subscript(index: Int) -> Range<Int> { index * size..<min((index + 1) * size, total) }
}

/// How matrix products are cut for the caches.
enum Blocking {
    /// Depth of one panel: with `tile_columns` columns of AVX-512 24 KiB, which stay in the first-level cache while all
    /// row panels pass by.
    static let depth = 192

    static var tileRows: Int { Kernels.active.tile_rows }
    static var tileColumns: Int { Kernels.active.tile_columns }
}

/// Transposes rows into a panel (see `pack` in triptych_kernels.h); nil rows are zeros.
func packRows(
    _ rows: [UnsafeRawPointer?],
    dtype: Int32 = Int32(TK_FLOAT32),
    depth: Int,
    into panel: UnsafeMutablePointer<Float>,
    stride: Int
) {
    rows.withUnsafeBufferPointer { rows in
        guard let first = rows.baseAddress else { return }
        Kernels.active.pack(dtype, first, rows.count, depth, panel, stride)
    }
}
