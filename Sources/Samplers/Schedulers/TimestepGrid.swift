/// How N inference steps are laid over the T timesteps of training (table 2 of arXiv 2305.08891).
struct TimestepGrid: Sendable {
    enum Spacing: String, CaseIterable {
        case leading
        case linspace
        case trailing
    }

    let spacing: Spacing
    /// Added to the timesteps of leading spacing.
    let offset: Int

    /// Reads `timestep_spacing` and `steps_offset`.
    init(_ configuration: SchedulerConfiguration, defaultSpacing: Spacing = .leading) throws(SchedulerError) {
        spacing = try configuration.choice("timestep_spacing") ?? defaultSpacing
        offset = try configuration.integer("steps_offset", default: 0, in: 0...NoiseSchedule.timestepRange.upperBound)
    }

    /// The timesteps from noise to image, for the schedulers that lay N steps over all T timesteps (DDIM, DDPM, PNDM).
    func timesteps(steps: Int, trainTimesteps: Int) -> [Int] {
        switch spacing {
        case .leading:
            let ratio = trainTimesteps / steps
            return (0..<steps).reversed().map { $0 * ratio + offset }
        case .linspace:
            return numpyLinspace(0, Double(trainTimesteps - 1), steps).reversed().map(Self.rounded)
        case .trailing:
            return Self.trailing(from: trainTimesteps, steps: steps, trainTimesteps: trainTimesteps)
        }
    }

    /// From `last` down in strides of T / N while above 0. diffusers' `np.arange` yields one timestep too many, −1, for
    /// some N (61, 103, 121, …), where a division is rounded up; here there are never more than N.
    static func trailing(from last: Int, steps: Int, trainTimesteps: Int) -> [Int] {
        let ratio = Double(trainTimesteps) / Double(steps)
        // As np.arange computes it: the stride is the difference of its first two values.
        let stride = (Double(last) - ratio) - Double(last)
        return (0..<steps).map { Double(last) + Double($0) * stride }.filter { $0 > 0 }.map { rounded($0) - 1 }
    }

    static func rounded(_ value: Double) -> Int {
        Int(value.rounded(.toNearestOrEven))
    }
}

/// `np.linspace(start, stop, count)` in double precision.
func numpyLinspace(_ start: Double, _ stop: Double, _ count: Int) -> [Double] {
    guard count > 1 else { return [start] }
    let step = (stop - start) / Double(count - 1)
    return (0..<count).map { $0 == count - 1 ? stop : Double($0) * step + start }
}
