import CTriptychKernels

extension Attention {
    /// Many rows: queries lie along the tile's columns, scores and sums are kept transposed.
    ///
    /// For the queries of all heads that share keys, some panels at a time: scores [key, query] = K · Qᵀ, softmax down the
    /// columns, sums [channel, query] += Vᵀ · scores.
    func byTiles() {
        let columns = Blocking.tileColumns
        let lanes = rows * group
        let units = keys.count * keyValueHeads
        // Keys and values are packed once for the panels of an item; four panels make that cheap.
        let panels = (lanes + columns - 1) / columns
        let wanted = (4 * ComputePool.shared.threads + units - 1) / units
        let blocks = Blocks(of: panels, atMost: max(1, min(4, panels / wanted)))
        ComputePool.shared.run(items: units * blocks.count) { index, scratch in
            let unit = index / blocks.count
            let range = blocks[index % blocks.count]
            attend(
                item: unit / keyValueHeads,
                shared: unit % keyValueHeads,
                lanes: range.lowerBound * columns..<min(range.upperBound * columns, lanes),
                scratch: scratch
            )
        }
    }

    /// Keys of one block: with 64 channels 48 KiB.
    private var keysPerBlock: Int {
        Blocking.tileRows * min(16, max(4, 65_536 / (headWidth * Blocking.tileRows)))
    }

    /// Query `lane` is head lane mod group of row lane / group.
    private func attend(item: Int, shared: Int, lanes: Range<Int>, scratch: Scratch) {
        let kernels = Kernels.active
        let (columns, tileRows) = (Blocking.tileColumns, Blocking.tileRows)
        let panels = (lanes.count + columns - 1) / columns
        let channelPanels = (headWidth + tileRows - 1) / tileRows
        var room = ScratchLayout()
        let queryPart = room.reserve(panels * headWidth * columns)
        let sumPart = room.reserve(panels * headWidth * columns)
        let statisticsPart = room.reserve(panels * 2 * columns)
        let decayPart = room.reserve(columns)
        let scorePart = room.reserve(keysPerBlock * columns)
        let keyPart = room.reserve(keysPerBlock * headWidth)
        let valuePart = room.reserve(keysPerBlock * channelPanels * tileRows)
        let memory = scratch.floats(room.count)
        let (scores, decays, sums) = (memory + scorePart, memory + decayPart, memory + sumPart)

        for panel in 0..<panels {
            packQueries(item, shared, lanes, panel, into: memory + queryPart + panel * headWidth * columns)
            let statistics = memory + statisticsPart + panel * 2 * columns
            // Finite, so that a lane beyond the last query stays clear of infinity minus infinity.
            statistics.update(repeating: -.greatestFiniteMagnitude, count: columns)
            (statistics + columns).update(repeating: 0, count: columns)
        }
        sums.update(repeating: 0, count: panels * headWidth * columns)

        let length = visible(item: item, row: (lanes.upperBound - 1) / group)
        for first in stride(from: 0, to: length, by: keysPerBlock) {
            let count = min(keysPerBlock, length - first)
            let start = first * keyStride + shared * headWidth
            packKeys(keys[item].pointer + start, count: count, into: memory + keyPart)
            kernels.cut_panels(
                values[item].pointer + start,
                keyStride,
                count,
                headWidth,
                tileRows,
                memory + valuePart
            )
            for panel in 0..<panels {
                let seen = causal ? visibleKeys(item, lanes, panel, from: first, count: count) : .all
                if case .none = seen { continue }
                kernels.multiply_panels(
                    memory + keyPart,
                    tileRows,
                    tileRows * headWidth,
                    tileRows,
                    memory + queryPart + panel * headWidth * columns,
                    columns,
                    headWidth,
                    scores,
                    columns,
                    count,
                    columns,
                    false
                )
                let statistics = memory + statisticsPart + panel * 2 * columns
                let panelSums = sums + panel * headWidth * columns
                let decayed =
                    if case .some(let limits) = seen {
                        kernels.softmax_columns(
                            scores,
                            count,
                            scale,
                            limits,
                            statistics,
                            statistics + columns,
                            decays
                        )
                    } else {
                        kernels.softmax_columns(scores, count, scale, nil, statistics, statistics + columns, decays)
                    }
                if decayed { kernels.scale_columns(panelSums, headWidth, decays) }
                kernels.multiply_panels(
                    memory + valuePart,
                    tileRows,
                    tileRows * count,
                    tileRows,
                    scores,
                    columns,
                    count,
                    panelSums,
                    columns,
                    headWidth,
                    columns,
                    true
                )
            }
        }
        for panel in 0..<panels {
            let totals = memory + statisticsPart + (2 * panel + 1) * columns
            for column in 0..<columns { decays[column] = 1 / totals[column] }
            kernels.scale_columns(sums + panel * headWidth * columns, headWidth, decays)
            unpack(sums + panel * headWidth * columns, item, shared, lanes, panel, through: memory + queryPart)
        }
    }

    /// How far a panel's queries see into a block of keys.
    private enum Sight {
        case all
        case none
        case some([Int32])
    }

    private func visibleKeys(_ item: Int, _ lanes: Range<Int>, _ panel: Int, from first: Int, count: Int) -> Sight {
        let start = lanes.lowerBound + panel * Blocking.tileColumns
        let limits = (start..<start + Blocking.tileColumns).map { lane in
            visible(item: item, row: min(lane, lanes.upperBound - 1) / group) - first
        }
        if limits[limits.count - 1] <= 0 { return .none }
        return limits[0] >= count ? .all : .some(limits.map { Int32(clamping: $0) })
    }

    private func packQueries(
        _ item: Int,
        _ shared: Int,
        _ lanes: Range<Int>,
        _ panel: Int,
        into memory: UnsafeMutablePointer<Float>
    ) {
        let start = lanes.lowerBound + panel * Blocking.tileColumns
        packRows(
            (start..<start + Blocking.tileColumns).map { lane in
                guard lane < lanes.upperBound else { return nil }
                let head = shared * group + lane % group
                return UnsafeRawPointer(queries + offset(item: item, row: lane / group, head: head))
            },
            depth: headWidth,
            into: memory,
            stride: Blocking.tileColumns
        )
    }

    private func packKeys(_ keys: UnsafePointer<Float>, count: Int, into memory: UnsafeMutablePointer<Float>) {
        let tileRows = Blocking.tileRows
        for first in stride(from: 0, to: count, by: tileRows) {
            packRows(
                (first..<first + tileRows).map { $0 < count ? UnsafeRawPointer(keys + $0 * keyStride) : nil },
                depth: headWidth,
                into: memory + first * headWidth,
                stride: tileRows
            )
        }
    }

    /// Writes one panel's sums [channel, query] to the heads they belong to.
    private func unpack(
        _ sums: UnsafePointer<Float>,
        _ item: Int,
        _ shared: Int,
        _ lanes: Range<Int>,
        _ panel: Int,
        through memory: UnsafeMutablePointer<Float>
    ) {
        let columns = Blocking.tileColumns
        packRows(
            (0..<headWidth).map { UnsafeRawPointer(sums + $0 * columns) },
            depth: columns,
            into: memory,
            stride: headWidth
        )
        let start = lanes.lowerBound + panel * columns
        for lane in start..<min(start + columns, lanes.upperBound) {
            let output = target + offset(item: item, row: lane / group, head: shared * group + lane % group)
            output.update(from: memory + (lane - start) * headWidth, count: headWidth)
        }
    }
}
