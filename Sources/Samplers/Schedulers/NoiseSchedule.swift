import Foundation

/// How signal fades over the timesteps of training: ᾱₜ, the running product of 1 − βₜ (DDPM, arXiv 2006.11239).
///
/// Sums and products follow PyTorch's precision: float32 values, with the running product kept in double.
package struct NoiseSchedule: Sendable {
    /// ᾱ by timestep.
    package private(set) var alphasCumprod: [Float]

    /// 100,000 timesteps is far beyond any model and still small in memory; a hostile file must not ask for more.
    static let timestepRange = 2...100_000

    enum BetaSchedule: String, CaseIterable {
        case linear
        case scaledLinear = "scaled_linear"
        case squaredCosine = "squaredcos_cap_v2"
    }

    var timestepCount: Int { alphasCumprod.count }

    /// Reads `num_train_timesteps`, `beta_*` and `trained_betas`.
    ///
    /// - Parameter rescalesToZeroSNR: `rescale_betas_zero_snr`, for the schedulers that know it.
    init(_ configuration: SchedulerConfiguration, rescalesToZeroSNR: Bool = false) throws(SchedulerError) {
        let count = try configuration.integer("num_train_timesteps", default: 1000, in: Self.timestepRange)
        let start = try configuration.number("beta_start", default: 0.0001, in: 0...1)
        let end = try configuration.number("beta_end", default: 0.02, in: 0...1)
        let betas: [Float]
        if let trained = try configuration.numbers("trained_betas") {
            guard trained.count == count, trained.allSatisfy({ (0...1).contains($0) }) else {
                throw configuration.invalid("trained_betas", "is not num_train_timesteps = \(count) values from 0 to 1")
            }
            betas = trained.map(Float.init)
        } else {
            switch try configuration.choice("beta_schedule") ?? BetaSchedule.linear {
            case .linear:
                betas = Self.linspace(start, end, count)
            case .scaledLinear:
                betas = Self.linspace(start.squareRoot(), end.squareRoot(), count).map { $0 * $0 }
            case .squaredCosine:
                betas = Self.squaredCosineBetas(count)
            }
        }
        alphasCumprod = Self.runningProduct(betas.map { 1 - $0 })
        if rescalesToZeroSNR { rescaleToZeroSNR() }
        guard alphasCumprod.allSatisfy(\.isFinite) else {
            throw configuration.invalid("rescale_betas_zero_snr", "needs betas above 0")
        }
    }

    /// √ᾱ x + √(1 − ᾱ) ε: latents at `timestep` on their way to noise.
    ///
    /// - Precondition: `timestep` is one of training's, `sample` and `noise` have one size.
    package func addNoise(to sample: [Float], noise: [Float], timestep: Int) -> [Float] {
        let alpha = alphasCumprod[timestep]
        return combine(alpha.squareRoot(), sample, (1 - alpha).squareRoot(), noise)
    }

    /// √ᾱ ε − √(1 − ᾱ) x: what a network with `v_prediction` learns.
    ///
    /// - Precondition: `timestep` is one of training's, `sample` and `noise` have one size.
    package func velocity(of sample: [Float], noise: [Float], timestep: Int) -> [Float] {
        let alpha = alphasCumprod[timestep]
        return combine(alpha.squareRoot(), noise, -(1 - alpha).squareRoot(), sample)
    }

    /// The last ᾱ as small as float16 can say, for solvers that divide by it.
    mutating func keepLastAlphaAboveZero() {
        alphasCumprod[alphasCumprod.count - 1] = 0x1p-24
    }

    /// `torch.linspace` in float32: counted from both ends.
    private static func linspace(_ start: Double, _ end: Double, _ count: Int) -> [Float] {
        let (start, end) = (Float(start), Float(end))
        let step = (end - start) / Float(count - 1)
        return (0..<count).map { index in
            index < count / 2 ? start + step * Float(index) : end - step * Float(count - index - 1)
        }
    }

    /// β from ᾱ(t) = cos²((t + 0.008) / 1.008 · π / 2), capped at 0.999 (Nichol and Dhariwal, arXiv 2102.09672).
    private static func squaredCosineBetas(_ count: Int) -> [Float] {
        func alphaBar(_ time: Double) -> Double {
            let cosine = cos((time + 0.008) / 1.008 * .pi / 2)
            return cosine * cosine
        }
        return (0..<count).map { index in
            let ratio = alphaBar(Double(index + 1) / Double(count)) / alphaBar(Double(index) / Double(count))
            return Float(min(1 - ratio, 0.999))
        }
    }

    private static func runningProduct(_ factors: [Float]) -> [Float] {
        var product = 1.0
        return factors.map { factor in
            product *= Double(factor)
            return Float(product)
        }
    }

    /// Algorithm 1 of "Common Diffusion Noise Schedules and Sample Steps are Flawed" (arXiv 2305.08891): shifts and
    /// scales √ᾱ so that the last timestep holds no signal.
    private mutating func rescaleToZeroSNR() {
        let roots = alphasCumprod.map { $0.squareRoot() }
        let (first, last) = (roots[0], roots[roots.count - 1])
        let scale = first / (first - last)
        let rescaled = roots.map { root in
            let shifted = (root - last) * scale
            return shifted * shifted
        }
        var alphas = [rescaled[0]]
        for index in 1..<rescaled.count {
            alphas.append(rescaled[index] / rescaled[index - 1])
        }
        // Through β and back, as diffusers stores β.
        alphasCumprod = Self.runningProduct(alphas.map { 1 - (1 - $0) })
    }
}

/// a x + b y, element by element.
func combine(_ a: Float, _ x: [Float], _ b: Float, _ y: [Float]) -> [Float] {
    precondition(x.count == y.count, "latents of one size")
    return x.indices.map { a * x[$0] + b * y[$0] }
}
