import CTriptychKernels

/// One linear layer's product: target [rows, out] = source [rows, in] · Wᵀ.
struct LinearProduct {
    /// From this many rows on, transposing weights into panels pays; below it, dot products read them as they lie.
    /// GFLOP/s of one Zen 5 thread at 4096 → 14336, 14336 → 4096 and 896 → 896, bfloat16: 8 rows 115, 125, 153 (dots)
    /// against 80, 83, 130 (tiles); 16 rows 148, 128, 171 against 120, 122, 163; 24 rows 155, 122, 156 against 150, 153,
    /// 187; 64 rows 156, 120, 160 against 185, 195, 225.
    /// Depends on the rows of one item only, so that a run's results do not change with the batch it is in.
    private static let tiledRows = 20

    let source: UnsafePointer<Float>
    let rowsOfItem: Int
    /// Of all items together.
    let rows: Int
    let weight: LinearWeight
    let finish: Finish
    let target: UnsafeMutablePointer<Float>

    var depth: Int { weight.inputWidth }
    var outputs: Int { weight.outputWidth }
    var pool: ComputePool { ComputePool.shared }

    func compute() {
        if rowsOfItem < Self.tiledRows {
            byDots()
        } else if Kernels.selected == .baseline {
            byBLAS()
        } else {
            byTiles()
        }
    }

    /// Reads every weight once in its stored dtype: bound by memory for one row, by arithmetic from some 16 rows on.
    private func byDots() {
        // An item takes some 5 µs at least: 128 KiB of weights from memory, or a quarter of a million multiply-adds.
        // Otherwise there are enough items to even the threads out.
        let smallest = max(16, min(65_536, 262_144 / rows) / depth)
        let perItem = max(smallest, (outputs + 8 * pool.threads - 1) / (8 * pool.threads))
        let columns = Blocks(of: outputs, atMost: min(perItem, 512), grain: 16)
        weight.matrix.withBytes { matrix in
            pool.run(items: columns.count) { item in
                let range = columns[item]
                Kernels.active.dot_rows(
                    source,
                    depth,
                    rows,
                    weight.matrix.kernelCode,
                    matrix + range.lowerBound * depth * weight.matrix.dtype.byteCount,
                    depth,
                    range.count,
                    depth,
                    target + range.lowerBound,
                    outputs
                )
                finish.apply(
                    to: target,
                    offset: range.lowerBound,
                    width: outputs,
                    rows: rows,
                    columns: range.count
                )
            }
        }
    }

    /// Packs the rows once and the weights panel by panel, widening them on the way.
    private func byTiles() {
        // Packed rows of at most 32 MiB at a time.
        let batches = Blocks(of: rows, atMost: max(4 * Blocking.tileRows, (8 << 20) / depth))
        for index in 0..<batches.count { multiply(batches[index]) }
    }

    private func multiply(_ batch: Range<Int>) {
        let panels = Blocks(of: batch.count, atMost: Blocking.tileRows)
        let depths = Blocks(of: depth, atMost: Blocking.depth, grain: 16)
        let rowsPerPanel = panels.size
        // [depth block][panel][depth][row]
        let packed = Tensor.uninitialized([panels.count * rowsPerPanel * depth])
        let panelsPerItem = Blocks(of: panels.count, atMost: max(1, 16_384 / (rowsPerPanel * depth)))
        pool.run(items: panelsPerItem.count) { item in
            for panel in panelsPerItem[item] {
                let range = panels[panel]
                for block in 0..<depths.count {
                    let depths = depths[block]
                    let start = packed.pointer + panels.count * rowsPerPanel * depths.lowerBound
                    packRows(
                        range.map { UnsafeRawPointer(source + (batch.lowerBound + $0) * depth + depths.lowerBound) },
                        depth: depths.count,
                        into: start + panel * rowsPerPanel * depths.count,
                        stride: rowsPerPanel
                    )
                }
            }
        }
        multiplyPacked(batch, packed: packed, panels: panels, depths: depths)
    }

    private func multiplyPacked(_ batch: Range<Int>, packed: Tensor, panels: Blocks, depths: Blocks) {
        let tileColumns = Blocking.tileColumns
        let columnPanels = (outputs + tileColumns - 1) / tileColumns
        // Rows of one item: their panels stay in the second-level cache while the columns pass by; more of them share
        // one packing of the weights.
        let wanted = 4 * pool.threads
        let rowGroups = Blocks(
            of: panels.count,
            atMost: max(192 / panels.size, min(512 / panels.size, panels.count * columnPanels / wanted))
        )
        let columnGroups = Blocks(of: columnPanels, atMost: max(1, columnPanels * rowGroups.count / wanted))
        weight.matrix.withBytes { matrix in
            pool.run(items: columnGroups.count * rowGroups.count) { item, scratch in
                let rowGroup = rowGroups[item / columnGroups.count]
                let firstRow = rowGroup.lowerBound * panels.size
                let rowCount = min(rowGroup.upperBound * panels.size, batch.count) - firstRow
                let panel = scratch.floats(depths.size * tileColumns)
                for block in 0..<depths.count {
                    let range = depths[block]
                    let rows =
                        packed.pointer + panels.count * panels.size * range.lowerBound
                        + rowGroup.lowerBound * panels.size * range.count
                    for columnPanel in columnGroups[item % columnGroups.count] {
                        let column = columnPanel * tileColumns
                        let columnCount = min(tileColumns, outputs - column)
                        packWeights(matrix, column..<column + columnCount, range, into: panel)
                        let offset = (batch.lowerBound + firstRow) * outputs + column
                        Kernels.active.multiply_panels(
                            rows,
                            panels.size,
                            panels.size * range.count,
                            panels.size,
                            panel,
                            tileColumns,
                            range.count,
                            target + offset,
                            outputs,
                            rowCount,
                            columnCount,
                            block > 0
                        )
                        if block == depths.count - 1 {
                            finish.apply(
                                to: target,
                                offset: offset,
                                width: outputs,
                                rows: rowCount,
                                columns: columnCount
                            )
                        }
                    }
                }
            }
        }
    }

    private func packWeights(
        _ matrix: UnsafeRawPointer,
        _ columns: Range<Int>,
        _ depths: Range<Int>,
        into panel: UnsafeMutablePointer<Float>
    ) {
        let elementSize = weight.matrix.dtype.byteCount
        packRows(
            (0..<Blocking.tileColumns).map { column in
                guard column < columns.count else { return nil }
                return matrix + ((columns.lowerBound + column) * depth + depths.lowerBound) * elementSize
            },
            dtype: weight.matrix.kernelCode,
            depth: depths.count,
            into: panel,
            stride: Blocking.tileColumns
        )
    }
}
