/// Which source pixels make each destination pixel along one axis, and how much each of them counts.
struct ResizeWindows {
    /// Weights are integers of this many fractional bits: 32 less 8 for a sample and 2 for the overshoot of sums.
    static let precision: Int32 = 22

    /// First source pixel of each window.
    let starts: [Int]
    /// Source pixels in each window.
    let counts: [Int]
    /// Window `i` is `weights[i * stride ..< i * stride + counts[i]]`.
    let weights: [Int32]
    let stride: Int

    /// Windows for shrinking or stretching `length` pixels to `newLength`, as Pillow's `Resample.c` places them: the
    /// kernel widens when shrinking, and its weights in a window are brought to a sum of 1, then rounded away from 0.
    init(from length: Int, to newLength: Int, filter: ResizeFilter) {
        let scale = Double(length) / Double(newLength)
        let kernelScale = max(scale, 1)
        let support = filter.support * kernelScale
        let stride = Int(support.rounded(.up)) * 2 + 1
        let inverse = 1 / kernelScale
        var starts: [Int] = []
        var counts: [Int] = []
        var weights = [Int32](repeating: 0, count: newLength * stride)
        var window = [Double](repeating: 0, count: stride)
        for index in 0..<newLength {
            let center = (Double(index) + 0.5) * scale
            let first = max(Int(center - support + 0.5), 0)
            let end = min(Int(center + support + 0.5), length)
            var sum = 0.0
            for tap in 0..<(end - first) {
                window[tap] = filter.weight(at: (Double(tap + first) - center + 0.5) * inverse)
                sum += window[tap]
            }
            for tap in 0..<(end - first) {
                let weight = sum == 0 ? window[tap] : window[tap] / sum
                let fixed = weight * Double(1 << Self.precision)
                weights[index * stride + tap] = Int32(fixed < 0 ? fixed - 0.5 : fixed + 0.5)
            }
            starts.append(first)
            counts.append(end - first)
        }
        self.starts = starts
        self.counts = counts
        self.weights = weights
        self.stride = stride
    }
}
