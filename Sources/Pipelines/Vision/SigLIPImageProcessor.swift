import Checkpoints
import Images
import Tensors

/// The `preprocessor_config.json` of a SigLIP tower, applied as transformers' `SiglipImageProcessor` does: resize,
/// rescale, normalise.
struct SigLIPImageProcessor: Sendable, Equatable, Decodable {
    /// Pixels a side of what comes out.
    let pictureSize: Int
    let filter: ResizeFilter
    private let normalization: PixelNormalization
    /// The colour of borders.
    var background: RGBColor { normalization.background }

    private enum CodingKeys: String, CodingKey {
        case type = "image_processor_type"
        case resizes = "do_resize"
        case size
        case filter = "resample"
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
        filter = try config.resizeFilter(.filter)
        let half = [0.5, 0.5, 0.5]
        normalization = try PixelNormalization(fromConfig: decoder, mean: half, deviation: half)
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
        let (pixels, values) = (resized.pixels, normalization.values)
        return Tensor(
            pixels.indices.map { values[$0 % 3 * 256 + Int(pixels[$0])] },
            shape: [1, pictureSize, pictureSize, 3]
        )
    }
}
