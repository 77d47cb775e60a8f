/// The BPE model: splits a word into bytes and joins the neighbours of the lowest rank until none is left.
struct BytePairModel: Sendable {
    /// Words up to this many symbols are scanned for the lowest rank; longer ones take a queue, which is n log n.
    /// At 48 both cost about the same.
    private static let scanLimit = 48

    let merges: MergeTable
    /// The id of each single byte; -1 for bytes without a token, which are dropped.
    let byteIDs: [Int32]
    /// Words that are tokens as a whole are taken as such, whether or not merges lead there.
    let ignoresMerges: Bool

    /// Appends the ids of one word.
    func encode(
        _ word: ArraySlice<UInt8>,
        vocabulary: Vocabulary,
        scratch: inout MergeScratch,
        into ids: inout [Int32]
    ) {
        if ignoresMerges, let id = vocabulary.id(ofBytes: word) {
            ids.append(id)
            return
        }
        if word.count <= Self.scanLimit {
            mergeByScan(word, scratch: &scratch, into: &ids)
        } else {
            mergeByQueue(word, into: &ids)
        }
    }

    /// Finds the lowest rank anew for every merge.
    func mergeByScan(_ word: ArraySlice<UInt8>, scratch: inout MergeScratch, into ids: inout [Int32]) {
        scratch.load(word, byteIDs)
        guard !scratch.ids.isEmpty else { return }
        for position in 0..<scratch.ids.count - 1 {
            scratch.merges[position] = merges[scratch.ids[position], scratch.ids[position + 1]]
        }
        while true {
            var best = 0
            var lowest: MergeTable.Merge?
            for position in 0..<scratch.ids.count - 1 {
                if let merge = scratch.merges[position], merge.rank < lowest?.rank ?? .max {
                    best = position
                    lowest = merge
                }
            }
            guard let lowest else { break }
            scratch.ids[best] = lowest.id
            scratch.ids.remove(at: best + 1)
            scratch.merges.remove(at: best + 1)
            let isLast = best == scratch.ids.count - 1
            scratch.merges[best] = isLast ? nil : merges[lowest.id, scratch.ids[best + 1]]
            if best > 0 { scratch.merges[best - 1] = merges[scratch.ids[best - 1], lowest.id] }
        }
        ids += scratch.ids
    }

    /// Keeps the candidates in a queue and the symbols in a linked list.
    func mergeByQueue(_ word: ArraySlice<UInt8>, into ids: inout [Int32]) {
        var symbols = word.map { byteIDs[Int($0)] }.filter { $0 >= 0 }
        let count = symbols.count
        var next = Array(1..<count + 1)
        var previous = Array(-1..<count - 1)
        // The candidate that starts at each symbol; an entry of the queue that differs from it is stale.
        var candidates = [MergeTable.Merge?](repeating: nil, count: count)
        var queue = MergeQueue()

        func propose(_ position: Int) {
            let right = next[position]
            let merge = right < count ? merges[symbols[position], symbols[right]] : nil
            candidates[position] = merge
            if let merge { queue.push(MergeQueue.Entry(rank: merge.rank, position: position)) }
        }

        for position in 0..<count { propose(position) }
        while let entry = queue.pop() {
            guard let merge = candidates[entry.position], merge.rank == entry.rank else { continue }
            let joined = next[entry.position]
            symbols[entry.position] = merge.id
            candidates[joined] = nil
            symbols[joined] = -1
            next[entry.position] = next[joined]
            if next[joined] < count { previous[next[joined]] = entry.position }
            propose(entry.position)
            if previous[entry.position] >= 0 { propose(previous[entry.position]) }
        }
        ids += symbols.lazy.filter { $0 >= 0 }
    }
}

/// Arrays that `mergeByScan` keeps from word to word.
struct MergeScratch {
    var ids: [Int32] = []
    /// The merge of each symbol with its right neighbour.
    var merges: [MergeTable.Merge?] = []

    mutating func load(_ word: ArraySlice<UInt8>, _ byteIDs: [Int32]) {
        ids.removeAll(keepingCapacity: true)
        merges.removeAll(keepingCapacity: true)
        for byte in word where byteIDs[Int(byte)] >= 0 {
            ids.append(byteIDs[Int(byte)])
            merges.append(nil)
        }
    }
}
