import Checkpoints
import Images
import Tensors

/// The `preprocessor_config.json` of a SigLIP tower, applied as transformers' `SiglipImageProcessor` does: resize,
/// rescale, normalise.
struct SigLIPImageProcessor: Sendable, Equatable, Decodable {
    /// Pixels a side of what comes out.
    let pictureSize: Int
    let filter: ResizeFilter
    /// What a level of 0…255 becomes: 256 values for red, then for green, then for blue.
    private let values: [Float]
    /// The colour of borders: LLaVA's and MetaMorph's `int(mean × 255)`, which is 127 for SigLIP.
    let background: RGBColor

    private enum CodingKeys: String, CodingKey {
        case type = "image_processor_type"
        case resizes = "do_resize"
        case size
        case filter = "resample"
        case rescales = "do_rescale"
        case factor = "rescale_factor"
        case normalizes = "do_normalize"
        case mean = "image_mean"
        case deviation = "image_std"
    }

    private enum SizeKeys: String, CodingKey {
        case height, width
    }

    init(from decoder: any Decoder) throws {
        let config = try decoder.container(keyedBy: CodingKeys.self)
        let type = try config.decodeIfPresent(String.self, forKey: .type) ?? "SiglipImageProcessor"
        guard ["SiglipImageProcessor", "SiglipImageProcessorFast"].contains(type) else {
            throw config.invalid(.type, "\"\(type)\" is not supported (SiglipImageProcessor)")
        }
        guard try config.decodeIfPresent(Bool.self, forKey: .resizes) ?? true else {
            throw config.invalid(.resizes, "is false, but pictures of any size come in")
        }
        pictureSize = try Self.size(config)
        let code = try config.decodeIfPresent(Int.self, forKey: .filter) ?? 3
        guard let filter = ResizeFilter(pillowCode: code) else {
            throw config.invalid(.filter, "\(code) is not one of Pillow's filters (0…5)")
        }
        self.filter = filter

        let rescales = try config.decodeIfPresent(Bool.self, forKey: .rescales) ?? true
        let factor = try config.number(.factor, in: 1e-9...1e9, default: 1 / 255)
        let normalizes = try config.decodeIfPresent(Bool.self, forKey: .normalizes) ?? true
        let mean = try config.channels(.mean, in: -1e6...1e6)
        let deviation = try config.channels(.deviation, in: 1e-6...1e6)
        values = zip(mean, deviation).flatMap { mean, deviation in
            (0...255).map { level in
                let rescaled = Float(Double(level) * (rescales ? factor : 1))
                return normalizes ? (rescaled - Float(mean)) / Float(deviation) : rescaled
            }
        }
        let levels = mean.map { UInt8(clamping: Int($0 * 255)) }
        background = RGBColor(red: levels[0], green: levels[1], blue: levels[2])
    }

    /// Height and width, which are one: SigLIP sees squares.
    private static func size(_ config: KeyedDecodingContainer<CodingKeys>) throws -> Int {
        guard try config.holds(.size) else { return 224 }
        let size = try config.nestedContainer(keyedBy: SizeKeys.self, forKey: .size)
        let height = try size.integer(.height, in: 1...8192)
        let width = try size.integer(.width, in: 1...8192)
        guard width == height else { throw size.invalid(.width, "\(width) is not the height \(height)") }
        return height
    }

    /// How a picture of another shape becomes a square.
    enum Framing: Sendable, Equatable {
        /// Borders along the longer sides.
        case padded
        case stretched

        /// MetaMorph's `image_aspect_ratio`: "pad", or anything else ("square").
        init(aspectRatio: String?) {
            self = aspectRatio == "pad" ? .padded : .stretched
        }
    }

    /// A picture as the network sees it: [1, pictureSize, pictureSize, 3]
    func callAsFunction(_ picture: PixelImage, framing: Framing) -> Tensor {
        let resized =
            switch framing {
            case .padded: picture.resizedOnSquare(side: pictureSize, filter: filter, color: background)
            case .stretched: picture.resized(width: pictureSize, height: pictureSize, filter: filter)
            }
        let pixels = resized.pixels
        return Tensor(
            pixels.indices.map { values[$0 % 3 * 256 + Int(pixels[$0])] },
            shape: [1, pictureSize, pictureSize, 3]
        )
    }
}

extension KeyedDecodingContainer {
    /// One number for each of red, green and blue, or one for all of them; SigLIP's 0.5 where there is none.
    fileprivate func channels(_ key: Key, in range: ClosedRange<Double>) throws -> [Double] {
        guard try holds(key) else { return [0.5, 0.5, 0.5] }
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
