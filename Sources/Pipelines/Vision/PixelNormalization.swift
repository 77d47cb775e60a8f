import Checkpoints
import Images

/// How a `preprocessor_config.json` turns levels of 0…255 into what a network reads: transformers' `rescale` and
/// `normalize`, in their precision.
struct PixelNormalization: Sendable, Equatable {
    /// What a level becomes: 256 values for red, then for green, then for blue.
    let values: [Float]
    /// Subtracted from rescaled red, green and blue.
    let mean: [Double]

    /// CLIP's (arXiv 2103.00020), which many image processors have as defaults.
    static let clipMean = [0.48145466, 0.4578275, 0.40821073]
    static let clipDeviation = [0.26862954, 0.26130258, 0.27577711]

    private enum CodingKeys: String, CodingKey {
        case rescales = "do_rescale"
        case factor = "rescale_factor"
        case normalizes = "do_normalize"
        case mean = "image_mean"
        case deviation = "image_std"
    }

    /// Reads the keys that stand directly in the file; mean and deviation are those of its class where it has none.
    init(fromConfig decoder: any Decoder, mean defaultMean: [Double], deviation defaultDeviation: [Double]) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        let rescales = try config.decodeIfPresent(Bool.self, forKey: .rescales) ?? true
        let factor = try config.number(.factor, in: 1e-9...1e9, default: 1 / 255)
        let normalizes = try config.decodeIfPresent(Bool.self, forKey: .normalizes) ?? true
        mean = try config.channels(.mean, in: -1e6...1e6, default: defaultMean)
        let deviation = try config.channels(.deviation, in: 1e-6...1e6, default: defaultDeviation)
        values = zip(mean, deviation).flatMap { mean, deviation in
            (0...255).map { level in
                let rescaled = Float(Double(level) * (rescales ? factor : 1))
                return normalizes ? (rescaled - Float(mean)) / Float(deviation) : rescaled
            }
        }
    }

    /// The colour of borders: LLaVA's and MetaMorph's `int(mean × 255)`, which is 127 for SigLIP.
    var background: RGBColor {
        let levels = mean.map { UInt8(clamping: Int($0 * 255)) }
        return RGBColor(red: levels[0], green: levels[1], blue: levels[2])
    }
}

extension KeyedDecodingContainer {
    /// One number for each of red, green and blue, or one for all of them.
    fileprivate func channels(
        _ key: Key,
        in range: ClosedRange<Double>,
        default defaultValues: [Double]
    ) throws -> [Double] {
        guard try holds(key) else { return defaultValues }
        if let single = try? decode(Double.self, forKey: key) {
            return Array(repeating: try number(key, in: range, default: single), count: 3)
        }
        let values = try decode([Double].self, forKey: key)
        guard values.count == 3, values.allSatisfy(range.contains) else {
            throw invalid(key, "\(values) are not 3 numbers within \(range.lowerBound)…\(range.upperBound)")
        }
        return values
    }
}
